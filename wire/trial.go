package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Environment variables of a pod. They hold the pod's JSON document, and values that are not known when the document
// is written.
const (
	EnvTrial        = "PLUMBLINE_TRIAL"         // a Trial
	EnvPublication  = "PLUMBLINE_PUBLICATION"   // a Publication
	EnvPodUID       = "PLUMBLINE_POD_UID"       // metadata.uid, known once the pod exists: makes the writer unique
	EnvPodName      = "PLUMBLINE_POD_NAME"      // metadata.name
	EnvSimulatedGPU = "PLUMBLINE_SIMULATED_GPU" // "1" if the node's GPUs are simulated: the trial trains on the CPU
)

// Trial is the one document that a trial's pod receives. It is complete: it has every location and every setting, and
// the trainer has no defaults. The Job of an attempt therefore shows all settings that the attempt was trained with.
//
// A new field, here or in a type that Trial contains, needs omitempty, and its zero value must mean what the previous
// release does. An operator of this release also starts trainers of the previous one, and DecodeTrial refuses an
// unknown field: without omitempty every Trial would have the new field, and those trainers would refuse to start.
// (omitempty never omits a struct: use a pointer.) The fields without omitempty, such as those of Augment, are older
// than the first release.
type Trial struct {
	Version string `json:"version"`
	Run     Run    `json:"run"`
	Name    string `json:"name"`    // the trial's name, such as d50: its key in status, subjects and directories
	Depth   int    `json:"depth"`   // one of Depths
	Attempt int    `json:"attempt"` // counted from 1

	GPU     bool `json:"gpu"`     // a GPU was requested: the trainer refuses to train without one
	Threads int  `json:"threads"` // number of TensorFlow's intra-op threads: the pod's CPU request, not the node's CPUs

	// StallSeconds is how long the pod may go without a finished step or another sign of work before its watchdog
	// ends it with ExitStalled. 0: the watchdog is off.
	StallSeconds int `json:"stallSeconds,omitempty"`

	Dataset         Dataset            `json:"dataset"`
	Pretrained      *Pretrained        `json:"pretrained,omitempty"` // nil: the trial starts from random weights
	Hyperparameters Hyperparameters    `json:"hyperparameters"`
	Imbalance       Imbalance          `json:"imbalance"`
	Checkpoint      CheckpointSettings `json:"checkpoint"`
	Reports         ReportSettings     `json:"reports"`

	Scratch string `json:"scratch"` // a directory for the spool and other work that may be lost with the pod
	Result  string `json:"result"`  // the file to which the pod writes its Result: its termination message
}

// Run names the TrainingRun that a document belongs to.
type Run struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Dataset says where the samples are and how they are divided.
type Dataset struct {
	URI         string `json:"uri"`                   // file:// location of the directory with dataset.yaml
	Corrections string `json:"corrections,omitempty"` // file:// location of a file of corrected labels
	Split       Split  `json:"split"`
}

// Split says how samples are divided into training, validation and test split.
type Split struct {
	GroupBy    string  `json:"groupBy"`    // package: no package is divided between splits | none
	Test       float64 `json:"test"`       // share of samples, [0,1)
	Validation float64 `json:"validation"` // share of samples, (0,1)
	Seed       int64   `json:"seed"`
}

// CheckpointSettings says where and how often a trial saves checkpoints.
type CheckpointSettings struct {
	URI         string `json:"uri"`         // file:// location of the checkpoint store, a directory
	EveryEpochs int    `json:"everyEpochs"` // number of epochs from one resume checkpoint to the next
	KeepLast    int    `json:"keepLast"`    // number of resume checkpoints that a writer keeps, at least 2

	// ResumeFrom is the uid of an older run in the same store. As long as the trial has no checkpoint in its own run,
	// it resumes from the older run's trial of the same name. Empty: the trial starts from the beginning.
	ResumeFrom string `json:"resumeFrom,omitempty"`
}

// ReportSettings says where reports are sent. With an empty URL the reports stay in the spool and in the checkpoints.
type ReportSettings struct {
	URL         string `json:"url,omitempty"`         // of the NATS server
	Credentials string `json:"credentials,omitempty"` // path of a NATS .creds file, which is read at each connect
	CA          string `json:"ca,omitempty"`          // path of a PEM file, if the authority is a private one
}

// DefaultSplit returns a split with a fifth of the samples for validation and a fifth for the test.
func DefaultSplit() Split { return Split{GroupBy: "package", Test: 0.2, Validation: 0.2, Seed: 1} }

// DefaultCheckpointSettings returns settings that save a resume checkpoint after every epoch and keep the last two.
func DefaultCheckpointSettings(uri string) CheckpointSettings {
	return CheckpointSettings{URI: uri, EveryEpochs: 1, KeepLast: 2}
}

// TrialName returns the name of the trial that trains a depth.
func TrialName(depth int) string { return fmt.Sprintf("d%d", depth) }

// DecodeTrial reads a Trial and validates it.
func DecodeTrial(b []byte) (Trial, error) {
	var t Trial
	if err := decodeStrict(b, &t); err != nil {
		return Trial{}, fmt.Errorf("read %s: %w", EnvTrial, err)
	}
	return t, t.Validate()
}

const (
	splitLeavesNothing = "dataset.split.validation %v and dataset.split.test %v must leave samples to train on: " +
		"validation must be above 0, test at least 0, and their sum below 1"
	headWithoutPretrained = "hyperparameters.headEpochs %d must be 0 without pretrained weights: " +
		"a head on a random backbone learns nothing"
)

// Validate returns an error that names every field that the trainer cannot obey.
func (t Trial) Validate() error {
	errs := []error{CheckVersion(t.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(t.Run.UID != "", "run.uid is empty")
	need(validToken(t.Name), "name %q must have %s", t.Name, tokenForm)
	need(slices.Contains(Depths, t.Depth), "depth %d is not one of %v", t.Depth, Depths)
	need(t.Attempt >= 1, "attempt %d is below 1", t.Attempt)
	need(t.Threads >= 1, "threads %d is below 1", t.Threads)
	need(t.StallSeconds >= 0, "stallSeconds %d is below 0; 0 turns the watchdog off", t.StallSeconds)

	d := t.Dataset
	need(strings.HasPrefix(d.URI, fileScheme), "dataset.uri %q must begin with %s", d.URI, fileScheme)
	need(d.Corrections == "" || strings.HasPrefix(d.Corrections, fileScheme),
		"dataset.corrections %q must begin with %s, or be empty", d.Corrections, fileScheme)
	s := d.Split
	need(s.GroupBy == "package" || s.GroupBy == "none",
		"dataset.split.groupBy %q is neither package nor none", s.GroupBy)
	need(s.Validation > 0 && s.Test >= 0 && s.Validation+s.Test < 1, splitLeavesNothing, s.Validation, s.Test)

	c := t.Checkpoint
	need(strings.HasPrefix(c.URI, fileScheme), "checkpoint.uri %q must begin with %s", c.URI, fileScheme)
	need(c.EveryEpochs >= 1, "checkpoint.everyEpochs %d is below 1", c.EveryEpochs)
	need(c.KeepLast >= 2, "checkpoint.keepLast %d is below 2: one damaged file would lose the trial", c.KeepLast)
	need(c.ResumeFrom == "" || validToken(c.ResumeFrom),
		"checkpoint.resumeFrom %q is not a run's uid: a uid has %s", c.ResumeFrom, tokenForm)
	need(c.ResumeFrom == "" || c.ResumeFrom != t.Run.UID,
		"checkpoint.resumeFrom %q is this run itself: name an older run, or leave it empty", c.ResumeFrom)

	need(t.Pretrained != nil || t.Hyperparameters.HeadEpochs == 0, headWithoutPretrained, t.Hyperparameters.HeadEpochs)
	if t.Pretrained != nil {
		errs = append(errs, t.Pretrained.validate())
	}
	errs = append(errs, t.Hyperparameters.Validate(), t.Imbalance.validate())
	return errors.Join(errs...)
}

// Writer returns the name under which a pod writes: trial, attempt and the pod's uid. No other pod ever has this name.
// The pod's reports contain it and the pod's checkpoint directory is named after it. Two pods of one trial that run at
// the same time therefore do not overwrite each other.
func (t Trial) Writer(podUID string) string {
	return fmt.Sprintf("%s-a%d-%s", t.Name, t.Attempt, podUID)
}

// tokenForm describes in an error the texts that validToken accepts.
const tokenForm = "1 to 63 letters, digits and dashes"

const tokenCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// validToken reports whether s may be one token of a NATS subject and one element of a path.
func validToken(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, tokenCharacters) == ""
}

// decodeStrict returns an error for an unknown field, because this release would silently ignore that setting. It
// accepts a document of a newer release that leaves out the newer release's fields: see Trial.
func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("the text after the first JSON document must be empty")
	}
	return nil
}
