package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ReportKind is the kind of event that a report is about.
type ReportKind string

// Kinds of reports.
const (
	// ReportStarted is the first report of a writer that starts the trial from the beginning.
	ReportStarted ReportKind = "started"
	// ReportResumed is the first report of a writer that resumes. Its Epoch is the last epoch of the checkpoint.
	ReportResumed ReportKind = "resumed"
	// ReportEpoch is sent when an epoch has ended. It has the epoch's metrics, and the checkpoint of a new best.
	ReportEpoch ReportKind = "epoch"
	// ReportHeartbeat is sent while the trial trains. It has the step and the throughput.
	ReportHeartbeat ReportKind = "heartbeat"
	// ReportFinished is sent when all epochs have ended. It alone has an evaluation on the test split.
	ReportFinished ReportKind = "finished"
)

// Limits of a report. A reader checks them before it uses anything of a report, so that a pod cannot harm the
// operator.
const (
	MaxReportBytes  = 256 << 10
	MaxMessageRunes = 1024 // of Message and of NotFinite
	MaxScores       = 4096 // per-sample validation scores in one report
	MaxLogit        = 1e12 // of a threshold's absolute value: written with four decimals it fits into a status

	maxURI     = 2048    // bytes, as in the CRD
	maxDigest  = 128     // bytes, as in the CRD
	maxWriter  = 128     // bytes: trial, attempt and a pod's uid
	maxCounted = 1 << 40 // of a sequence, and of a number of seconds: the sum of a thousand does not overflow
)

// Report is a message from a trial on the stream. A report that names a checkpoint is sent only after that checkpoint
// is committed.
type Report struct {
	Version  string     `json:"version"`
	Kind     ReportKind `json:"kind"`
	RunUID   string     `json:"runUID"`
	Trial    string     `json:"trial"`
	Depth    int        `json:"depth"`
	Attempt  int        `json:"attempt"`
	Writer   string     `json:"writer"`
	Sequence int64      `json:"sequence"` // each writer counts its reports from 1, without gaps
	Time     time.Time  `json:"time"`     // when the trial wrote the report, in UTC

	Epoch  int   `json:"epoch"`  // last finished epoch, counted from 1; 0 before the first one ends
	Epochs int   `json:"epochs"` // number of epochs of the whole trial
	Step   int64 `json:"step"`   // number of optimizer steps so far

	// Weights says which weights Metrics were measured with: raw or ema.
	Weights string `json:"weights,omitempty"`
	// Metrics are those of the validation split, on which epoch, temperature and threshold are selected.
	Metrics *Metrics `json:"metrics,omitempty"`
	// Test are the metrics of the trial's best checkpoint on the test split. Only a ReportFinished has them.
	Test *Metrics `json:"test,omitempty"`
	// NotFinite is the reason why Metrics are missing. A metric that is NaN or Inf is never sent as a value.
	NotFinite string `json:"notFinite,omitempty"`
	// TrainLoss is the mean loss of the epoch's steps, without the skipped ones.
	TrainLoss float64 `json:"trainLoss,omitempty"`
	// LearningRate is the learning rate of the head at the epoch's last step.
	LearningRate float64 `json:"learningRate,omitempty"`
	// Throughput is the speed in the epoch; in a ReportHeartbeat, in the epoch so far.
	Throughput *Throughput `json:"throughput,omitempty"`
	// Checkpoint is the committed checkpoint of a new best.
	Checkpoint *CheckpointRef `json:"checkpoint,omitempty"`
	// Scores are the validation scores that Metrics were measured on. Only the report of a new best has them.
	Scores []SampleScore `json:"scores,omitempty"`
	// Digests identify the data. Trials whose digests differ are not compared.
	Digests Digests `json:"digests"`
	// ComputedBy is set if a resuming writer sends a report that another writer, the origin, has computed.
	ComputedBy *Origin `json:"computedBy,omitempty"`
	// Message is a text for people.
	Message string `json:"message,omitempty"`
}

// Metrics are measured on one split. All are fractions, except that Threshold is on the calibrated logit, Loss has no
// upper bound, and Samples is a number. A sample counts as a defect if its calibrated logit is >= Threshold.
type Metrics struct {
	AUCPR      float64 `json:"aucPR"`      // average precision: sum over distinct scores of (R_n - R_{n-1}) P_n
	AUCPRLow   float64 `json:"aucPRLow"`   // lower end of the 95 % bootstrap interval that resamples packages
	AUCPRHigh  float64 `json:"aucPRHigh"`  // upper end of that interval
	F1         float64 `json:"f1"`         // at Threshold
	Precision  float64 `json:"precision"`  // at Threshold
	Recall     float64 `json:"recall"`     // at Threshold
	Threshold  float64 `json:"threshold"`  // chosen on the validation split
	Loss       float64 `json:"loss"`       // mean cross-entropy of the calibrated probabilities, unweighted
	Prevalence float64 `json:"prevalence"` // share of defects, which is the chance level of AUC-PR
	Samples    int     `json:"samples"`    // number of samples in the split

	// Older trainers do not report the metrics below: a 0 means 0 or unknown. If Trapezoid is above 0, all are known.

	// Trapezoid is the area under the same curve joined by straight lines. Published figures may be this or AUCPR.
	Trapezoid float64 `json:"trapezoid,omitempty"`
	// ROCAUC is the share of the pairs of a defect and a normal sample in which the defect has the higher score; a tie
	// counts half. It is unknown without a normal sample.
	ROCAUC float64 `json:"rocAUC,omitempty"`
	// Brier is the mean squared error of the calibrated probabilities.
	Brier float64 `json:"brier,omitempty"`
	// CalibrationError is the expected calibration error over 15 bins of equal width of the calibrated probability.
	CalibrationError float64 `json:"calibrationError,omitempty"`
	// F1AtHalf is the F1 at a calibrated probability of 1/2.
	F1AtHalf float64 `json:"f1AtHalf,omitempty"`
	// OracleF1 is the highest F1 of any threshold on this split. It is an upper bound: never choose a threshold by it.
	OracleF1 float64 `json:"oracleF1,omitempty"`
	// RecallAtPrecision90 is the highest recall of any threshold on this split whose precision is at least 0.9.
	RecallAtPrecision90 float64 `json:"recallAtPrecision90,omitempty"`
}

// Throughput is the speed of training in one epoch.
type Throughput struct {
	ImagesPerSecond float64 `json:"imagesPerSecond"`
	EpochSeconds    float64 `json:"epochSeconds"`        // of training and validation together
	InputWait       float64 `json:"inputWait,omitempty"` // share of the training time in which no batch was ready
}

// CheckpointRef names a committed checkpoint.
type CheckpointRef struct {
	URI    string `json:"uri"`    // of its directory
	Digest string `json:"digest"` // sha256: of its manifest.json
}

// Digests identify the data, the labels and the split that a trial learned from.
type Digests struct {
	Data    string `json:"data"`
	Labels  string `json:"labels"`
	Overlay string `json:"overlay,omitempty"`
	Split   string `json:"split"`
}

// Origin is the writer that computed a report, and the sequence that this writer gave the report. It identifies the
// report, also when another writer sends the report again.
type Origin struct {
	Writer   string `json:"writer"`
	Sequence int64  `json:"sequence"`
}

// SampleScore is the calibrated logit of one validation sample. Paired intervals between depths are computed from
// these.
type SampleScore struct {
	ID    string  `json:"id"`
	Group string  `json:"group"`
	Label int     `json:"label"` // 1: defect, 0: normal
	Logit float64 `json:"logit"`
}

// DecodeReport reads a report and validates it. Fields that a newer minor version added are ignored.
func DecodeReport(b []byte) (Report, error) { return decodeReport(b, CheckVersion) }

// DecodeHistory reads one line of a checkpoint's HistoryFile. The line is a report, which may be of any older minor
// version.
func DecodeHistory(line []byte) (Report, error) { return decodeReport(line, checkStoredVersion) }

func decodeReport(b []byte, checkVersion func(string) error) (Report, error) {
	if len(b) > MaxReportBytes {
		return Report{}, fmt.Errorf("report of %d bytes is over the limit of %d", len(b), MaxReportBytes)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	return r, r.validate(checkVersion)
}

// Validate returns an error that names every reason why the ledger could not use the report. It does not know the
// run: ingest checks that the report belongs to the run.
func (r Report) Validate() error { return r.validate(CheckVersion) }

func (r Report) validate(checkVersion func(string) error) error {
	errs := []error{checkVersion(r.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	// A value is cut to 100 characters in a message: a pod may have sent any text.
	kinds := []ReportKind{ReportStarted, ReportResumed, ReportEpoch, ReportHeartbeat, ReportFinished}
	need(slices.Contains(kinds, r.Kind), "kind %.100q is not one of %v", r.Kind, kinds)
	need(validToken(r.RunUID), "runUID %.100q must have %s", r.RunUID, tokenForm)
	need(validToken(r.Trial), "trial %.100q must have %s", r.Trial, tokenForm)
	need(validWriter(r.Writer), "writer %.100q must have %s", r.Writer, writerForm)
	need(slices.Contains(Depths, r.Depth), "depth %d is not one of %v", r.Depth, Depths)
	need(r.Attempt >= 1, "attempt %d is below 1", r.Attempt)
	need(counted(r.Sequence), "sequence %d is outside 1..%d", r.Sequence, int64(maxCounted))
	if by := r.ComputedBy; by != nil {
		need(validWriter(by.Writer), "computedBy.writer %.100q must have %s", by.Writer, writerForm)
		need(counted(by.Sequence), "computedBy.sequence %d is outside 1..%d", by.Sequence, int64(maxCounted))
	}
	if t := r.Throughput; t != nil {
		need(t.EpochSeconds >= 0 && t.EpochSeconds <= maxCounted,
			"throughput.epochSeconds %v is outside 0..%d", t.EpochSeconds, int64(maxCounted))
	}
	need(r.Epochs >= 1 && r.Epoch >= 0 && r.Epoch <= r.Epochs, "epoch %d is outside 0..%d, or epochs %d is below 1",
		r.Epoch, r.Epochs, r.Epochs)
	need(r.Kind != ReportEpoch || r.Epoch >= 1, "kind is epoch, but epoch %d is below 1", r.Epoch)
	need(r.Kind != ReportEpoch || r.Metrics != nil || r.NotFinite != "",
		"kind is epoch, but there are neither metrics nor a reason for their absence in notFinite")
	if c := r.Checkpoint; c != nil {
		need(c.URI != "" && printable(c.URI, maxURI),
			"checkpoint.uri %.100q must have 1 to %d %s", c.URI, maxURI, printableForm)
		need(isDigest(c.Digest), "checkpoint.digest %.100q must begin with %s", c.Digest, digestPrefix)
		need(printable(c.Digest, maxDigest),
			"checkpoint.digest %.100q must have at most %d %s", c.Digest, maxDigest, printableForm)
	}
	d := r.Digests
	for _, digest := range []string{d.Data, d.Labels, d.Overlay, d.Split} {
		need(printable(digest, maxDigest),
			"digest %.100q in digests must have at most %d %s", digest, maxDigest, printableForm)
	}
	need(len(r.Scores) <= MaxScores, "scores has %d entries, over the limit of %d", len(r.Scores), MaxScores)
	for _, text := range []struct{ name, value string }{{"message", r.Message}, {"notFinite", r.NotFinite}} {
		length := utf8.RuneCountInString(text.value)
		need(length <= MaxMessageRunes,
			"%s has %d characters, over the limit of %d", text.name, length, MaxMessageRunes)
	}
	for _, m := range []*Metrics{r.Metrics, r.Test} {
		errs = append(errs, m.validate())
	}
	return errors.Join(errs...)
}

// validate returns an error that names the first metric outside its range. The order is fixed, so that the same report
// always gets the same error.
func (m *Metrics) validate() error {
	if m == nil {
		return nil
	}
	for _, fraction := range []struct {
		name  string
		value float64
	}{
		{"aucPR", m.AUCPR},
		{"aucPRLow", m.AUCPRLow},
		{"aucPRHigh", m.AUCPRHigh},
		{"f1", m.F1},
		{"precision", m.Precision},
		{"recall", m.Recall},
		{"prevalence", m.Prevalence},
		{"trapezoid", m.Trapezoid},
		{"rocAUC", m.ROCAUC},
		{"brier", m.Brier},
		{"calibrationError", m.CalibrationError},
		{"f1AtHalf", m.F1AtHalf},
		{"oracleF1", m.OracleF1},
		{"recallAtPrecision90", m.RecallAtPrecision90},
	} {
		if !(fraction.value >= 0 && fraction.value <= 1) {
			return fmt.Errorf("metric %s is %v, outside 0..1", fraction.name, fraction.value)
		}
	}
	if !(math.Abs(m.Threshold) <= MaxLogit) { // NaN is outside, too
		return fmt.Errorf("metric threshold is %v, outside %v..%v", m.Threshold, -MaxLogit, MaxLogit)
	}
	if !finite(m.Loss) {
		return fmt.Errorf("metric loss is %v, which is not finite", m.Loss)
	}
	if m.Samples < 0 || m.Samples > math.MaxInt32 {
		return fmt.Errorf("metric samples is %d, outside 0..%d", m.Samples, math.MaxInt32)
	}
	return nil
}

// Descriptions, in an error, of the texts that validWriter and printable accept.
const (
	writerForm    = "1 to 128 printable characters, without a space, a dot, a slash, <, > and \""
	printableForm = "printable bytes of UTF-8, without <, > and \""
)

// counted reports whether n may be the sequence of a report.
func counted(n int64) bool { return n >= 1 && n <= maxCounted }

// validWriter reports whether s may be the name of a writer. Trial.Writer makes these names.
func validWriter(s string) bool {
	return s != "" && printable(s, maxWriter) && !strings.ContainsAny(s, "/ .")
}

// printable reports whether s has at most limit bytes and can be written into a status and an HTML page without
// escaping.
func printable(s string, limit int) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsAny(s, `<>"`) &&
		strings.IndexFunc(s, unprintable) < 0
}
