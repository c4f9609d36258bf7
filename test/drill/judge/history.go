package judge

import "time"

// History is everything that was seen of one run. Validate judges it. A drill keeps the history of a run that broke a
// rule, so that Validate can judge it again.
type History struct {
	Run         string       `json:"run"`
	UID         string       `json:"uid"`
	Reports     []Report     `json:"reports"`     // all messages of the stream, in its order
	Checkpoints []Checkpoint `json:"checkpoints"` // on the disk, after the run ended
	Statuses    []Status     `json:"statuses"`    // every version of the run that a watch showed, in order
	Pods        []Pod        `json:"pods"`        // in no order
	Events      []Event      `json:"events"`      // in no order; an operator that was killed may have emitted fewer
	Leftovers   []string     `json:"leftovers"`   // objects that were still there after the run was deleted
	Damaged     []Damage     `json:"damaged"`     // checkpoints that the drill itself damaged
}

// Damage is a checkpoint that the drill damaged. Before that, the drill killed the attempt that ran.
type Damage struct {
	Dir     string `json:"dir"` // below the store
	Attempt int    `json:"attempt"`
}

// Event is one of Kubernetes' Events about the run.
type Event struct {
	Reason string `json:"reason"`
	Note   string `json:"note"`
	Job    string `json:"job"`   // the Job of the attempt that the Event is about, if it is about one
	Times  int    `json:"times"` // how often one operator emitted it
}

// Report is a message of the stream. Its fields are those of the message, but for Stream.
type Report struct {
	Stream     uint64    `json:"stream"` // the message's sequence in the stream
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
	Metrics    *Metrics  `json:"metrics"`
	Checkpoint *Ref      `json:"checkpoint"`
	ComputedBy *Origin   `json:"computedBy"` // nil: the writer itself
	Throughput *struct {
		ImagesPerSecond float64 `json:"imagesPerSecond"`
		EpochSeconds    float64 `json:"epochSeconds"`
	} `json:"throughput,omitempty"`
}

// Origin is the writer that first made a report, and the report's sequence among that writer's.
type Origin struct {
	Writer   string `json:"writer"`
	Sequence int64  `json:"sequence"`
}

// Metrics is the one metric of a report that the judge needs.
type Metrics struct {
	AUCPR float64 `json:"aucPR"`
}

// Ref names a checkpoint.
type Ref struct {
	URI    string `json:"uri"`
	Digest string `json:"digest"`
}

// Checkpoint is a directory of the checkpoint store, as ReadStore found it.
type Checkpoint struct {
	Dir    string            `json:"dir"` // below the store: <run uid>/<trial>/<writer>/<name>
	Writer string            `json:"writer"`
	Kind   string            `json:"kind"`
	Trial  string            `json:"trial"`
	Epoch  int               `json:"epoch"`
	Digest string            `json:"digest"` // of the manifest: sha256:<hex>
	Damage string            `json:"damage"` // how the files differ from the manifest; empty: the checkpoint is whole
	Files  map[string]string `json:"files"`  // by name, the SHA-256 in hex

	// Only a resume checkpoint has these: the location of the trial's best at that moment, and all reports until then.
	Best    string   `json:"best"`
	History []Report `json:"history,omitempty"`
}

// Status is one version of a run's status.
type Status struct {
	Seen           time.Time   `json:"seen"` // when the watch showed it
	Phase          string      `json:"phase"`
	CompletionTime string      `json:"completionTime"`
	Trials         []Trial     `json:"trials"`
	Best           *Best       `json:"best"`
	Conditions     []Condition `json:"conditions"`
}

// Condition is one condition of a run.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Trial is one trial in a status. A status writes decimal numbers as strings.
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

// Attempt is one of a trial's attempts in a status. FromEpoch is nil until the attempt has reported that it started.
type Attempt struct {
	Number    int    `json:"number"`
	Class     string `json:"class"`
	FromEpoch *int   `json:"fromEpoch"`
	Epoch     int    `json:"epoch"`
}

// Best is the best of a run or of a trial in a status. In a trial's own best, Trial is empty.
type Best struct {
	Trial       string `json:"trial"`
	AUCPR       string `json:"aucPR"`
	Epoch       int    `json:"epoch"`
	Provisional bool   `json:"provisional"`
	Checkpoint  Ref    `json:"checkpoint"`
}

// Pod is one pod of a trial.
type Pod struct {
	UID     string `json:"uid"`
	Name    string `json:"name"`
	Trial   string `json:"trial"`
	Attempt string `json:"attempt"`

	// Started is when the container started, as the node says. Zero: no watch showed it running.
	Started time.Time `json:"started"`

	// Ended is when the container ended, as the node says. If the pod was deleted before a watch showed its end, Ended
	// is when the container was last seen running. Zero: it has not ended.
	Ended time.Time `json:"ended"`

	ExitCode *int32 `json:"exitCode,omitempty"` // nil: no watch showed the container's end
}
