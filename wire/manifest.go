package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Names of the files in a checkpoint's directory. The directory is written under a temporary name, synced, described
// by ManifestFile with a digest per file, and renamed. A directory that has its final name is therefore complete.
const (
	ManifestFile = "manifest.json"
	WeightsFile  = "weights.safetensors" // best and resume: weights and statistics in torchvision's names and layouts
	SlotsFile    = "slots.safetensors"   // resume only: optimizer slots, and averages if the trial has any
	HistoryFile  = "reports.jsonl"       // the trial's reports so far: a resuming writer sends them again
	GoldenFile   = "golden.u8"           // best only: the input images of Manifest.Golden, [n,S,S,C] uint8
)

// ManifestFormat is the value of Manifest.Format.
const ManifestFormat = "plumbline.dev/checkpoint/v1"

// Kinds of checkpoint.
const (
	CheckpointBest   = "best"   // inference weights, for selection and promotion
	CheckpointResume = "resume" // everything that resuming exactly needs
)

// Roles of a tensor.
const (
	RoleWeight    = "weight"    // trained
	RoleStatistic = "statistic" // a running mean or variance of batch normalisation
	RoleSlot      = "slot"      // state of the optimizer, such as a momentum
	RoleAverage   = "average"   // a weight or statistic averaged over the steps
)

// Manifest describes one checkpoint completely: its content, the data and settings that it was trained with, and how
// to use it.
type Manifest struct {
	Format  string `json:"format"`  // ManifestFormat
	Version string `json:"version"` // of the wire package
	Kind    string `json:"kind"`    // best | resume
	Run     Run    `json:"run"`
	Trial   string `json:"trial"`
	Writer  string `json:"writer"`
	Attempt int    `json:"attempt"`
	Epoch   int    `json:"epoch"` // number of finished epochs
	Step    int64  `json:"step"`  // number of optimizer steps, without the skipped ones
	// PhaseStep counts the optimizer steps since the optimizer was last created. AdamW's bias correction uses it.
	PhaseStep int64 `json:"phaseStep"`
	Seed      int64 `json:"seed"`    // Seed and Epoch determine all random numbers
	Skipped   int   `json:"skipped"` // number of steps that were skipped because a gradient was not finite

	Architecture Architecture      `json:"architecture"`
	Classes      []string          `json:"classes"`  // in logit order
	Positive     string            `json:"positive"` // the class whose probability is predicted and AUC-PR is measured
	Input        Input             `json:"input"`
	Weights      string            `json:"weights"` // raw | ema
	Roles        map[string]string `json:"roles"`   // tensor name -> role
	Calibration  Calibration       `json:"calibration"`
	Metrics      *Metrics          `json:"metrics,omitempty"` // of these weights on the validation split
	Digests      Digests           `json:"digests"`
	Pretrained   string            `json:"pretrained,omitempty"` // digest of the pretrained weights' file
	Settings     Trial             `json:"settings"`             // resolved
	Numerics     Numerics          `json:"numerics"`

	// Best is the trial's best checkpoint so far. Any writer of the trial, or of an older run, may have written it.
	// Only in a resume checkpoint.
	Best *BestSoFar `json:"best,omitempty"`
	// LossScale is the state of float16 training. Only in a resume checkpoint.
	LossScale *LossScale `json:"lossScale,omitempty"`
	// Unfinished is where epoch Epoch+1 was interrupted; nil between epochs. Only in a resume checkpoint.
	Unfinished *Unfinished `json:"unfinished,omitempty"`
	// LastSequence is the sequence of the writer's last report in HistoryFile.
	LastSequence int64 `json:"report"`
	// Golden are the model's predictions for the images in GoldenFile, in the same order. Only in a best checkpoint.
	Golden []Golden `json:"golden,omitempty"`
	// Files are sorted by name. The manifest itself is not among them.
	Files []File `json:"files"`
}

// Architecture describes the network that the weights belong to.
type Architecture struct {
	Depth       int     `json:"depth"`
	Block       string  `json:"block"`       // BlockV1 or BlockV15
	Epsilon     float64 `json:"epsilon"`     // batch normalisation's
	PoolPadding string  `json:"poolPadding"` // symmetric: one pixel on each side, as PyTorch pads
	Parameters  int64   `json:"parameters"`  // number of trained parameters
}

// Input describes the model's input, [N,Size,Size,len(Channels)] uint8.
type Input struct {
	Channels []string  `json:"channels"` // in order
	Size     int       `json:"size"`
	Resizer  string    `json:"resizer"` // area-v1
	Mean     []float64 `json:"mean"`    // of each channel in the training split, on the 0-255 scale
	Std      []float64 `json:"std"`     // standard deviation of each channel in the training split, on the same scale
}

// Calibration turns a raw score l1 - l0 into a decision: logit = (score - Shift) / Temperature. The decision is
// "defect" if logit >= Threshold.
type Calibration struct {
	// Shift is (a+b) ln(n0/n1), with the exponents a and b of Imbalance's samplerWeight and lossWeight and the
	// numbers n0 of normal samples and n1 of defects. Sampling and loss weights add it to the scores of the best
	// possible model.
	Shift       float64 `json:"shift"`
	Temperature float64 `json:"temperature"` // above 0; 1: not scaled
	Threshold   float64 `json:"threshold"`   // on the calibrated logit, midway between two neighbouring scores
	Comparator  string  `json:"comparator"`  // >=
}

// Numerics holds everything that the bits of a sum of float32 numbers depend on: if none of it differs, a resumed
// trial repeats an uninterrupted one exactly.
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

// Unfinished is the progress of an interrupted epoch. With it a resumed epoch ends in the same report.
type Unfinished struct {
	Steps         int     `json:"steps"`         // number of steps in this epoch, skipped ones included
	Skipped       int     `json:"skipped"`       // number of steps skipped because a gradient was not finite
	SkippedInARow int     `json:"skippedInARow"` // number of steps skipped since the last one that was not
	LossSum       float64 `json:"lossSum"`       // sum of the losses of the steps that were not skipped
}

// LossScale is the factor by which the loss of float16 training is multiplied.
type LossScale struct {
	Value float64 `json:"value"`
	Steps int     `json:"steps"` // number of steps in a row with this factor and finite gradients
}

// Golden is one recorded prediction. A publishing Job compares it with the exported model's prediction.
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

// DecodeManifest reads a manifest and validates it. Fields that a newer minor version added are ignored, and every
// older minor version is accepted, because a checkpoint outlives the release that wrote it.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w", ManifestFile, err)
	}
	return m, m.Validate()
}

// Validate returns an error that names every problem that can be found without reading the checkpoint's files.
func (m Manifest) Validate() error {
	errs := []error{checkStoredVersion(m.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(m.Format == ManifestFormat, "format %q is not %s", m.Format, ManifestFormat)
	need(m.Kind == CheckpointBest || m.Kind == CheckpointResume, "kind %q is neither best nor resume", m.Kind)
	need(slices.Contains(Depths, m.Architecture.Depth),
		"architecture.depth %d is not one of %v", m.Architecture.Depth, Depths)
	need(len(m.Classes) == 2 && slices.Contains(m.Classes, m.Positive),
		"classes %q must be two, and one of them must be the positive class %q", m.Classes, m.Positive)
	channels, means, deviations := len(m.Input.Channels), len(m.Input.Mean), len(m.Input.Std)
	need(channels > 0 && means == channels && deviations == channels,
		"input has %d channels, %d means and %d deviations: it must have as many of each, at least 1",
		channels, means, deviations)
	c := m.Calibration
	need(c.Temperature > 0 && finite(c.Shift) && finite(c.Threshold),
		"calibration.shift %v and threshold %v must be finite, and temperature %v must be above 0",
		c.Shift, c.Threshold, c.Temperature)
	need(len(m.Files) > 0, "files is empty")
	for _, f := range m.Files {
		need(!slices.Contains([]string{"", ".", ".."}, f.Name) && !strings.ContainsAny(f.Name, `/\`),
			"file name %q is not a name inside the checkpoint's directory", f.Name)
		need(len(f.SHA256) == 64, "file %s has the sha256 %q, which is not 64 hexadecimal digits", f.Name, f.SHA256)
		need(f.Size >= 0, "file %s has the size %d, which is below 0", f.Name, f.Size)
	}
	return errors.Join(errs...)
}
