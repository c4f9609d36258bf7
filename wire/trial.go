package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Environment through which a pod gets what its JSON document cannot hold, or gets the document itself.
const (
	EnvTrial        = "PLUMBLINE_TRIAL"         // a Trial
	EnvPublication  = "PLUMBLINE_PUBLICATION"   // a Publication
	EnvPodUID       = "PLUMBLINE_POD_UID"       // metadata.uid: known only once the pod exists; makes the writer unique
	EnvPodName      = "PLUMBLINE_POD_NAME"      // metadata.name
	EnvSimulatedGPU = "PLUMBLINE_SIMULATED_GPU" // "1" where the node's GPUs are simulated: the trial then trains on the CPU
)

// Trial is the one document that a trial's pod is given, with every location in it. It is complete: nothing that it
// leaves out has a default in the trainer, so that what a run trained with can be read off its Job.
type Trial struct {
	Version string `json:"version"`
	Run     Run    `json:"run"`
	Name    string `json:"name"`    // the trial's name, such as d50: the key of everything
	Depth   int    `json:"depth"`   // one of Depths
	Attempt int    `json:"attempt"` // counted from 1

	GPU     bool `json:"gpu"`     // a GPU was requested: training without one is refused
	Threads int  `json:"threads"` // TensorFlow's intra-op threads, from the CPU request and never from the node

	// StallSeconds without a finished step (or another sign of work) end the pod with ExitStalled; 0: it waits for ever.
	StallSeconds int `json:"stallSeconds,omitempty"`

	Dataset         Dataset         `json:"dataset"`
	Pretrained      *Pretrained     `json:"pretrained,omitempty"` // nil: from random weights
	Hyperparameters Hyperparameters `json:"hyperparameters"`
	Imbalance       Imbalance       `json:"imbalance"`
	Checkpoint      Checkpoint      `json:"checkpoint"`
	Reports         Reports         `json:"reports"`

	Scratch string `json:"scratch"` // a directory for the spool and other work that may be lost with the pod
	Result  string `json:"result"`  // the file that receives the pod's last word (the termination message)
}

// Run names the TrainingRun that a document belongs to.
type Run struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Dataset says where the samples are and how they are divided.
type Dataset struct {
	URI         string `json:"uri"`                   // file:// directory that holds dataset.yaml
	Corrections string `json:"corrections,omitempty"` // file:// path of an overlay on the labels
	Split       Split  `json:"split"`
}

// Split divides samples into training, validation and test folds without dividing a package.
type Split struct {
	GroupBy    string  `json:"groupBy"`    // package | none
	Test       float64 `json:"test"`       // share of samples, [0,1)
	Validation float64 `json:"validation"` // share of samples, (0,1)
	Seed       int64   `json:"seed"`
}

// Checkpoint says where and how often a trial saves itself.
type Checkpoint struct {
	URI         string `json:"uri"`         // file:// directory; a writer's own directory is WriterDir
	EveryEpochs int    `json:"everyEpochs"` // between resume checkpoints
	KeepLast    int    `json:"keepLast"`    // resume checkpoints kept of one writer, at least 2

	// ResumeFrom is the uid of an older run, below the same URI, whose trial of the same name this one goes on from while it has
	// no checkpoint of its own; empty: it begins anew.
	ResumeFrom string `json:"resumeFrom,omitempty"`
}

// Reports says where reports go. An empty URL keeps them in the spool and in the checkpoints alone.
type Reports struct {
	URL         string `json:"url,omitempty"`         // of the NATS server
	Credentials string `json:"credentials,omitempty"` // a NATS .creds file, read again at each connect
	CA          string `json:"ca,omitempty"`          // a PEM file, where the server's certificate is a private one
}

// DefaultSplit holds out a fifth for selection and a fifth for the one final test.
func DefaultSplit() Split { return Split{GroupBy: "package", Test: 0.2, Validation: 0.2, Seed: 1} }

// DefaultCheckpoint saves after every epoch.
func DefaultCheckpoint(uri string) Checkpoint {
	return Checkpoint{URI: uri, EveryEpochs: 1, KeepLast: 2}
}

// TrialName is the key of the trial that trains a depth.
func TrialName(depth int) string { return fmt.Sprintf("d%d", depth) }

// DecodeTrial reads a Trial and refuses one that could not be trained as written.
func DecodeTrial(b []byte) (Trial, error) {
	var t Trial
	if err := decodeStrict(b, &t); err != nil {
		return Trial{}, fmt.Errorf("read %s: %w", EnvTrial, err)
	}
	return t, t.Validate()
}

// Validate names every field that cannot be obeyed, all at once.
func (t Trial) Validate() error {
	errs := []error{CheckVersion(t.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(t.Run.UID != "", "run.uid is empty")
	need(validToken(t.Name), "name %q must be letters, digits and dashes", t.Name)
	need(slices.Contains(Depths, t.Depth), "depth %d is not one of %v", t.Depth, Depths)
	need(t.Attempt >= 1, "attempt %d is below 1", t.Attempt)
	need(t.Threads >= 1, "threads %d is below 1", t.Threads)
	need(t.StallSeconds >= 0, "stallSeconds %d is negative", t.StallSeconds)
	need(strings.HasPrefix(t.Dataset.URI, "file://"), "dataset.uri %q is not a file:// location", t.Dataset.URI)
	need(t.Dataset.Corrections == "" || strings.HasPrefix(t.Dataset.Corrections, "file://"), "dataset.corrections %q is not a file:// location", t.Dataset.Corrections)
	need(strings.HasPrefix(t.Checkpoint.URI, "file://"), "checkpoint.uri %q is not a file:// location", t.Checkpoint.URI)
	need(t.Checkpoint.EveryEpochs >= 1, "checkpoint.everyEpochs %d is below 1", t.Checkpoint.EveryEpochs)
	need(t.Checkpoint.KeepLast >= 2, "checkpoint.keepLast %d is below 2: one damaged file would lose the trial", t.Checkpoint.KeepLast)
	need(t.Checkpoint.ResumeFrom == "" || validToken(t.Checkpoint.ResumeFrom), "checkpoint.resumeFrom %q is not a run's uid", t.Checkpoint.ResumeFrom)
	need(t.Checkpoint.ResumeFrom == "" || t.Checkpoint.ResumeFrom != t.Run.UID, "checkpoint.resumeFrom is the run itself")
	s := t.Dataset.Split
	need(s.GroupBy == "package" || s.GroupBy == "none", "dataset.split.groupBy %q is neither package nor none", s.GroupBy)
	need(s.Validation > 0 && s.Test >= 0 && s.Validation+s.Test < 1, "dataset.split: validation %v and test %v must leave samples to train on", s.Validation, s.Test)
	need(t.Pretrained != nil || t.Hyperparameters.HeadEpochs == 0, "hyperparameters.headEpochs %d without pretrained weights: a head on a random backbone learns nothing", t.Hyperparameters.HeadEpochs)
	if t.Pretrained != nil {
		errs = append(errs, t.Pretrained.validate())
	}
	errs = append(errs, t.Hyperparameters.Validate(), t.Imbalance.validate())
	return errors.Join(errs...)
}

// Writer is trial + attempt + pod uid: it names the message ids and the checkpoint directory of one pod, and nobody
// else ever uses them, so that two pods that overlap do each other no harm.
func (t Trial) Writer(podUID string) string {
	return fmt.Sprintf("%s-a%d-%s", t.Name, t.Attempt, podUID)
}

func validToken(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// decodeStrict refuses unknown fields: a setting that nobody reads is a setting that silently does nothing. (A newer operator that
// leaves its new settings unset still works with this trainer.)
func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON document")
	}
	return nil
}
