package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Files of a checkpoint's directory. The directory is written under a temporary name, synced, described by ManifestFile
// with a digest per file, and renamed: a directory that bears its final name is whole.
const (
	ManifestFile = "manifest.json"
	WeightsFile  = "weights.safetensors" // best and resume: weights and statistics in torchvision's names and layouts
	SlotsFile    = "slots.safetensors"   // resume only: optimizer slots, and averages where they are kept
	HistoryFile  = "reports.jsonl"       // the trial's reports so far: what the stream lacks is issued again from here
	GoldenFile   = "golden.u8"           // best only: inputs of Manifest.Golden, [n,S,S,C] uint8
	ManifestForm = "plumbline.dev/checkpoint/v1"
)

// Kinds of checkpoint.
const (
	CheckpointBest   = "best"   // inference weights, for selection and promotion
	CheckpointResume = "resume" // everything, to go on exactly
)

// Roles of a tensor.
const (
	RoleWeight    = "weight"    // trained
	RoleStatistic = "statistic" // batch normalisation's running mean and variance
	RoleSlot      = "slot"      // an optimizer's memory
	RoleAverage   = "average"   // a weight or statistic averaged over the steps
)

// Manifest describes one checkpoint completely: what is in it, what it was made from, and how to use it.
type Manifest struct {
	Format    string `json:"format"`  // ManifestForm
	Version   string `json:"version"` // of the wire package
	Kind      string `json:"kind"`    // best | resume
	Run       Run    `json:"run"`
	Trial     string `json:"trial"`
	Writer    string `json:"writer"`
	Attempt   int    `json:"attempt"`
	Epoch     int    `json:"epoch"`     // finished epochs
	Step      int64  `json:"step"`      // optimizer steps
	PhaseStep int64  `json:"phaseStep"` // of these, since the optimizer last began anew: what AdamW's corrections count
	Seed      int64  `json:"seed"`      // with Epoch, all the randomness there is
	Skipped   int    `json:"skipped"`   // steps whose gradients were not finite, so far

	Architecture Architecture      `json:"architecture"`
	Classes      []string          `json:"classes"`  // in logit order
	Positive     string            `json:"positive"` // the class that probability and AUC-PR are about
	Input        Input             `json:"input"`
	Weights      string            `json:"weights"` // raw | ema
	Roles        map[string]string `json:"roles"`   // tensor name -> role
	Calibration  Calibration       `json:"calibration"`
	Metrics      *Metrics          `json:"metrics,omitempty"` // validation ("selected on"), measured with these weights
	Digests      Digests           `json:"digests"`
	Pretrained   string            `json:"pretrained,omitempty"` // digest of the file that training started from
	Settings     Trial             `json:"settings"`             // resolved
	Numerics     Numerics          `json:"numerics"`

	Best       *BestSoFar  `json:"best,omitempty"`       // resume: the trial's best at this point, wherever it lies
	LossScale  *LossScale  `json:"lossScale,omitempty"`  // resume: float16's
	Unfinished *Unfinished `json:"unfinished,omitempty"` // resume: where epoch Epoch+1 was interrupted; nil between epochs
	Report     int64       `json:"report"`               // resume: the writer's last report sequence in HistoryFile
	Golden     []Golden    `json:"golden,omitempty"`     // best: what the model says of the images in GoldenFile, in order
	Files      []File      `json:"files"`                // sorted by name, without the manifest itself
}

// Architecture is what the weights fit into.
type Architecture struct {
	Depth       int     `json:"depth"`
	Block       string  `json:"block"`       // BlockV1 or BlockV15
	Epsilon     float64 `json:"epsilon"`     // batch normalisation's
	PoolPadding string  `json:"poolPadding"` // symmetric: one pixel on each side, as PyTorch pads
	Parameters  int64   `json:"parameters"`  // trained ones
}

// Input is what the model takes: [N,Size,Size,len(Channels)] uint8.
type Input struct {
	Channels []string  `json:"channels"` // in order
	Size     int       `json:"size"`
	Resizer  string    `json:"resizer"` // area-v1
	Mean     []float64 `json:"mean"`    // per channel, of the training fold, on the 0-255 scale
	Std      []float64 `json:"std"`     // likewise
}

// Calibration turns a raw score l1 - l0 into a decision: logit = (score - Shift) / Temperature; defect when logit >= Threshold.
type Calibration struct {
	Shift       float64 `json:"shift"`       // (a+b) ln(n0/n1), what sampling and loss weights added to the optimal score
	Temperature float64 `json:"temperature"` // 1: not scaled
	Threshold   float64 `json:"threshold"`   // on the calibrated logit, midpoint between neighbouring scores
	Comparator  string  `json:"comparator"`  // >=
}

// Numerics is what bit-exact resume depends on.
type Numerics struct {
	TensorFlow string `json:"tensorflow"`
	ISA        string `json:"isa"` // the widest vector instruction set of the CPU
	Threads    int    `json:"threads"`
	Precision  string `json:"precision"` // float32 | bfloat16 | float16
	Device     string `json:"device"`    // cpu | gpu
}

// BestSoFar is the trial's best checkpoint at the time of a resume checkpoint.
type BestSoFar struct {
	Checkpoint  CheckpointRef `json:"checkpoint"`
	Epoch       int           `json:"epoch"`
	Metrics     Metrics       `json:"metrics"`
	Calibration Calibration   `json:"calibration"`
}

// Unfinished is how far an epoch had come when it was interrupted. With it a resumed epoch ends in the same report.
type Unfinished struct {
	Steps         int     `json:"steps"`         // taken in it
	Skipped       int     `json:"skipped"`       // of these, because gradients were not finite
	SkippedInARow int     `json:"skippedInARow"` // of these, the last ones
	LossSum       float64 `json:"lossSum"`       // over the steps that were not skipped
}

// LossScale is what the loss of float16 training is multiplied by.
type LossScale struct {
	Value float64 `json:"value"`
	Steps int     `json:"steps"` // taken with it, in a row, that were finite
}

// Golden is a prediction to be replayed before a model is published.
type Golden struct {
	ID          string  `json:"id"`
	Logit       float64 `json:"logit"` // calibrated
	Probability float64 `json:"probability"`
	Defect      bool    `json:"defect"`
}

// File is one file of a checkpoint.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

// WriterDir is the directory, below a checkpoint uri, that one writer owns.
func WriterDir(runUID, trial, writer string) string { return path.Join(runUID, trial, writer) }

// DecodeManifest reads a manifest and refuses one that does not describe a usable checkpoint. Fields that a newer minor version
// added are ignored, and no older minor version is too old: a checkpoint outlives the release that wrote it.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w", ManifestFile, err)
	}
	return m, m.Validate()
}

// Validate checks what can be checked without the files.
func (m Manifest) Validate() error {
	errs := []error{checkKept(m.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(m.Format == ManifestForm, "format %q is not %s", m.Format, ManifestForm)
	need(m.Kind == CheckpointBest || m.Kind == CheckpointResume, "kind %q is neither best nor resume", m.Kind)
	need(slices.Contains(Depths, m.Architecture.Depth), "depth %d is not one of %v", m.Architecture.Depth, Depths)
	need(len(m.Classes) == 2 && slices.Contains(m.Classes, m.Positive), "classes %v do not hold the positive class %q", m.Classes, m.Positive)
	c := len(m.Input.Channels)
	need(c > 0 && len(m.Input.Mean) == c && len(m.Input.Std) == c, "input has %d channels, %d means, %d deviations", c, len(m.Input.Mean), len(m.Input.Std))
	need(m.Calibration.Temperature > 0 && finite(m.Calibration.Shift) && finite(m.Calibration.Threshold), "calibration %+v is not finite", m.Calibration)
	need(len(m.Files) > 0, "no files are listed")
	for _, f := range m.Files {
		need(!slices.Contains([]string{"", ".", ".."}, f.Name) && !strings.ContainsAny(f.Name, `/\`), "file name %q leaves the checkpoint's directory", f.Name)
		need(len(f.SHA256) == 64 && f.Size >= 0, "file %s lacks its digest or size", f.Name)
	}
	return errors.Join(errs...)
}
