package judge

import "time"

// History is all that was seen of one run. It is what the validator judges, and what is kept of a run that was not in order: the
// validator can be run on it again.
type History struct {
	Run         string       `json:"run"`
	UID         string       `json:"uid"`
	Reports     []Report     `json:"reports"`     // as the stream holds them, in its order
	Checkpoints []Checkpoint `json:"checkpoints"` // as the disk holds them at the end
	Statuses    []Status     `json:"statuses"`    // every version of the run that a watch showed, in order
	Pods        []Pod        `json:"pods"`        // every pod of the run, by uid
	Events      []Event      `json:"events"`      // what was told of the run; some may be lost with the operator that told them
	Leftovers   []string     `json:"leftovers"`   // what is still there after the run was deleted
	Damaged     []Damage     `json:"damaged"`     // what the drill itself damaged
}

// Damage is a checkpoint that the drill damaged, having killed the attempt that would have gone on.
type Damage struct {
	Dir     string `json:"dir"` // below the store
	Attempt int    `json:"attempt"`
}

// Event is one of Kubernetes' Events about the run.
type Event struct {
	Reason string `json:"reason"`
	Note   string `json:"note"`
	Job    string `json:"job"`   // the attempt's that it is about; empty: none
	Times  int    `json:"times"` // how often it was told by one operator
}

// Report is a message of the stream, in the words that it has there.
type Report struct {
	Stream     uint64    `json:"stream"` // its sequence in the stream
	Kind       string    `json:"kind"`
	RunUID     string    `json:"runUID"`
	Trial      string    `json:"trial"`
	Depth      int       `json:"depth"`
	Attempt    int       `json:"attempt"`
	Writer     string    `json:"writer"`
	Sequence   int64     `json:"sequence"`
	Epoch      int       `json:"epoch"`
	Epochs     int       `json:"epochs"`
	Time       time.Time `json:"time"`
	Metrics    *Value    `json:"metrics"`
	Checkpoint *Ref      `json:"checkpoint"`
	ComputedBy *struct {
		Writer   string `json:"writer"`
		Sequence int64  `json:"sequence"`
	} `json:"computedBy"`
	Throughput *struct {
		ImagesPerSecond float64 `json:"imagesPerSecond"`
		EpochSeconds    float64 `json:"epochSeconds"`
	} `json:"throughput,omitempty"`
}

// Value is what a report or a status says of quality.
type Value struct {
	AUCPR float64 `json:"aucPR"`
}

// Ref names a checkpoint.
type Ref struct {
	URI    string `json:"uri"`
	Digest string `json:"digest"`
}

// Checkpoint is a directory with a manifest, read and verified anew.
type Checkpoint struct {
	Dir     string            `json:"dir"` // below the store: <run uid>/<trial>/<writer>/<name>
	Writer  string            `json:"writer"`
	Kind    string            `json:"kind"`
	Trial   string            `json:"trial"`
	Epoch   int               `json:"epoch"`
	Digest  string            `json:"digest"` // sha256: of the manifest
	Damage  string            `json:"damage"` // what does not match it; empty: whole
	Files   map[string]string `json:"files"`  // name -> sha256
	Best    string            `json:"best"`   // resume: where the trial's best of that moment is
	History []Report          `json:"history,omitempty"`
}

// Status is one version of a run's status.
type Status struct {
	Seen           time.Time    `json:"seen"`
	Phase          string       `json:"phase"`
	CompletionTime string       `json:"completionTime"`
	Trials         []Trial      `json:"trials"`
	Best           *Best        `json:"best"`
	Conditions     []Conditions `json:"conditions"`
}

// Conditions of a run.
type Conditions struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Trial is one trial in a status. Decimals are strings there.
type Trial struct {
	Name        string    `json:"name"`
	Phase       string    `json:"phase"`
	Reason      string    `json:"reason"`
	Message     string    `json:"message"`
	Attempt     int       `json:"attempt"`
	Epoch       int       `json:"epoch"`
	Epochs      int       `json:"epochs"`
	ReportsSeen int       `json:"reportsSeen"`
	Gaps        int       `json:"gaps"`
	Duplicates  int       `json:"duplicates"`
	Best        *Best     `json:"best"`
	Attempts    []Attempt `json:"attempts"`
}

// Attempt is one of a trial's attempts in a status. FromEpoch is nil until it has told that it began.
type Attempt struct {
	Number    int    `json:"number"`
	Class     string `json:"class"`
	FromEpoch *int   `json:"fromEpoch"`
	Epoch     int    `json:"epoch"`
}

// Best is a best in a status.
type Best struct {
	Trial       string `json:"trial"`
	AUCPR       string `json:"aucPR"`
	Epoch       int    `json:"epoch"`
	Provisional bool   `json:"provisional"`
	Checkpoint  Ref    `json:"checkpoint"`
}

// Pod is one pod, with the times between which it was seen alive.
type Pod struct {
	UID     string    `json:"uid"`
	Name    string    `json:"name"`
	Trial   string    `json:"trial"`
	Attempt string    `json:"attempt"`
	Started time.Time `json:"started"` // when its container was first seen running
	Ended   time.Time `json:"ended"`   // when it ended, or was seen alive last before it was gone; zero: never

	ExitCode *int32 `json:"exitCode,omitempty"` // nil: it was never seen to end
}
