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

// ReportKind is what a report tells.
type ReportKind string

const (
	Started   ReportKind = "started"   // the first report of a writer that began from nothing
	Resumed   ReportKind = "resumed"   // the first report of a writer that went on from a checkpoint; Epoch is the last one it holds
	Epoch     ReportKind = "epoch"     // an epoch ended: metrics, and a checkpoint where there is a new one
	Heartbeat ReportKind = "heartbeat" // still training: step and throughput
	Finished  ReportKind = "finished"  // all epochs are done; carries the one evaluation on the test split
)

// Limits that a reader enforces before it looks inside, so that a pod cannot hurt the operator.
const (
	MaxReportBytes  = 256 << 10
	MaxMessageRunes = 1024
	MaxScores       = 4096 // per-sample validation scores in one report
	MaxLogit        = 1e12 // of a threshold, in either direction: with four digits after the point it fits a status

	maxURI     = 2048    // bytes, as the CRD has it
	maxDigest  = 128     // bytes, as the CRD has it
	maxWriter  = 128     // bytes: trial, attempt and a pod's uid
	maxCounted = 1 << 40 // sequences, steps, seconds: sums of a thousand of them are no overflow
)

// Report is what a trial says of itself. A report that names a checkpoint is sent only after that checkpoint is committed.
type Report struct {
	Version  string     `json:"version"`
	Kind     ReportKind `json:"kind"`
	RunUID   string     `json:"runUID"`
	Trial    string     `json:"trial"`
	Depth    int        `json:"depth"`
	Attempt  int        `json:"attempt"`
	Writer   string     `json:"writer"`
	Sequence int64      `json:"sequence"` // counted from 1 by each writer, without gaps
	Time     time.Time  `json:"time"`     // when the trial wrote it, in UTC

	Epoch  int   `json:"epoch"`  // last finished epoch, counted from 1; 0 before the first
	Epochs int   `json:"epochs"` // how many there will be
	Step   int64 `json:"step"`   // optimizer steps so far

	Weights      string         `json:"weights,omitempty"`      // raw | ema: which weights Metrics were measured on
	Metrics      *Metrics       `json:"metrics,omitempty"`      // on the validation split ("selected on")
	Test         *Metrics       `json:"test,omitempty"`         // finished only: the trial's best, on the test split, once
	NotFinite    string         `json:"notFinite,omitempty"`    // why Metrics are missing: NaN and Inf are reasons, never values
	TrainLoss    float64        `json:"trainLoss,omitempty"`    // mean over the epoch
	LearningRate float64        `json:"learningRate,omitempty"` // the head's, at the epoch's last step
	Throughput   *Throughput    `json:"throughput,omitempty"`   // over the epoch
	Checkpoint   *CheckpointRef `json:"checkpoint,omitempty"`   // a new best checkpoint, committed
	Scores       []SampleScore  `json:"scores,omitempty"`       // with a new best: the validation scores behind Metrics
	Digests      Digests        `json:"digests"`                // trials whose digests differ are not compared
	ComputedBy   *Origin        `json:"computedBy,omitempty"`   // set when a resuming writer re-issues another writer's report
	Message      string         `json:"message,omitempty"`      // for people
}

// Metrics of one split. All are fractions; Threshold is on the calibrated logit, with >= as its comparator.
type Metrics struct {
	AUCPR      float64 `json:"aucPR"`      // average precision: sum over distinct scores of (R_n - R_{n-1}) P_n
	AUCPRLow   float64 `json:"aucPRLow"`   // 95 % bootstrap interval that resamples packages
	AUCPRHigh  float64 `json:"aucPRHigh"`  //
	F1         float64 `json:"f1"`         // at Threshold
	Precision  float64 `json:"precision"`  // at Threshold
	Recall     float64 `json:"recall"`     // at Threshold
	Threshold  float64 `json:"threshold"`  // chosen on validation
	Loss       float64 `json:"loss"`       // mean cross-entropy of the calibrated probabilities, unweighted
	Prevalence float64 `json:"prevalence"` // share of defects: the AUC-PR of a blind model
	Samples    int     `json:"samples"`

	// What a report of an older trainer lacks, so that 0 means 0 or unknown; where Trapezoid is above 0 the others are known.
	Trapezoid           float64 `json:"trapezoid,omitempty"`           // area under the same curve by straight lines: a published figure may be either
	ROCAUC              float64 `json:"rocAUC,omitempty"`              // share of pairs (defect, normal) in the right order; unknown without a normal sample
	Brier               float64 `json:"brier,omitempty"`               // mean squared error of the calibrated probabilities
	CalibrationError    float64 `json:"calibrationError,omitempty"`    // expected, over 15 bins of equal width of the calibrated probability
	F1AtHalf            float64 `json:"f1AtHalf,omitempty"`            // at a calibrated probability of 1/2
	OracleF1            float64 `json:"oracleF1,omitempty"`            // the best that any threshold reaches on this very split: a bound, never a choice
	RecallAtPrecision90 float64 `json:"recallAtPrecision90,omitempty"` // highest recall of any threshold on this very split with precision >= 0.9
}

// Throughput of an epoch.
type Throughput struct {
	ImagesPerSecond float64 `json:"imagesPerSecond"`
	EpochSeconds    float64 `json:"epochSeconds"`        // training and validation
	InputWait       float64 `json:"inputWait,omitempty"` // share of the training time in which no batch was ready
}

// CheckpointRef names a committed checkpoint.
type CheckpointRef struct {
	URI    string `json:"uri"`    // of its directory
	Digest string `json:"digest"` // sha256: of its manifest.json
}

// Digests identify what a trial learned from.
type Digests struct {
	Data    string `json:"data"`
	Labels  string `json:"labels"`
	Overlay string `json:"overlay,omitempty"`
	Split   string `json:"split"`
}

// Origin is the writer and sequence that first told what a report repeats.
type Origin struct {
	Writer   string `json:"writer"`
	Sequence int64  `json:"sequence"`
}

// SampleScore is the calibrated logit of one validation sample: what paired intervals between depths need.
type SampleScore struct {
	ID    string  `json:"id"`
	Group string  `json:"group"`
	Label int     `json:"label"`
	Logit float64 `json:"logit"`
}

// DecodeReport reads a report and refuses one that is malformed or oversized. Fields that a newer minor version added are ignored.
func DecodeReport(b []byte) (Report, error) { return decodeReport(b, CheckVersion) }

// DecodeHistory reads one line of a checkpoint's HistoryFile: a report, of any older minor version.
func DecodeHistory(line []byte) (Report, error) { return decodeReport(line, checkKept) }

func decodeReport(b []byte, version func(string) error) (Report, error) {
	if len(b) > MaxReportBytes {
		return Report{}, fmt.Errorf("report of %d bytes is over the limit of %d", len(b), MaxReportBytes)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	return r, r.validate(version)
}

// Validate refuses a report that could not be folded. It does not know the run: ingest checks that it belongs there.
func (r Report) Validate() error { return r.validate(CheckVersion) }

func (r Report) validate(version func(string) error) error {
	errs := []error{version(r.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(slices.Contains([]ReportKind{Started, Resumed, Epoch, Heartbeat, Finished}, r.Kind), "kind %q is unknown", r.Kind)
	need(validToken(r.RunUID) && validToken(r.Trial) && validWriter(r.Writer), "runUID, trial or writer is empty, too long or has a character that it must not")
	need(slices.Contains(Depths, r.Depth), "depth %d is not one of %v", r.Depth, Depths)
	need(r.Attempt >= 1 && counted(r.Sequence), "attempt %d or sequence %d is below 1, or no writer ever counts that far", r.Attempt, r.Sequence)
	need(r.ComputedBy == nil || validWriter(r.ComputedBy.Writer) && counted(r.ComputedBy.Sequence), "computedBy is no writer and sequence")
	need(r.Throughput == nil || r.Throughput.EpochSeconds >= 0 && r.Throughput.EpochSeconds <= maxCounted, "an epoch does not take %v s", r.Throughput)
	need(r.Epochs >= 1 && r.Epoch >= 0 && r.Epoch <= r.Epochs, "epoch %d is outside 0..%d", r.Epoch, r.Epochs)
	need(r.Kind != Epoch || r.Epoch >= 1, "an epoch report is of epoch %d", r.Epoch)
	need(r.Kind != Epoch || r.Metrics != nil || r.NotFinite != "", "an epoch report has neither metrics nor a reason why not")
	need(r.Checkpoint == nil || r.Checkpoint.URI != "" && isDigest(r.Checkpoint.Digest), "checkpoint lacks its uri or digest")
	need(r.Checkpoint == nil || printable(r.Checkpoint.URI, maxURI) && printable(r.Checkpoint.Digest, maxDigest), "checkpoint's uri or digest is too long or has a character that it must not")
	for _, d := range []string{r.Digests.Data, r.Digests.Labels, r.Digests.Overlay, r.Digests.Split} {
		need(printable(d, maxDigest), "a digest is too long or has a character that it must not")
	}
	need(len(r.Scores) <= MaxScores, "%d scores are over the limit of %d", len(r.Scores), MaxScores)
	need(len([]rune(r.Message)) <= MaxMessageRunes && len([]rune(r.NotFinite)) <= MaxMessageRunes, "message is over %d characters", MaxMessageRunes)
	for _, m := range []*Metrics{r.Metrics, r.Test} {
		errs = append(errs, m.validate())
	}
	return errors.Join(errs...)
}

func (m *Metrics) validate() error {
	if m == nil {
		return nil
	}
	for name, v := range map[string]float64{"aucPR": m.AUCPR, "aucPRLow": m.AUCPRLow, "aucPRHigh": m.AUCPRHigh, "f1": m.F1, "precision": m.Precision, "recall": m.Recall, "prevalence": m.Prevalence,
		"trapezoid": m.Trapezoid, "rocAUC": m.ROCAUC, "brier": m.Brier, "calibrationError": m.CalibrationError, "f1AtHalf": m.F1AtHalf, "oracleF1": m.OracleF1,
		"recallAtPrecision90": m.RecallAtPrecision90} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("metric %s is %v, outside 0..1", name, v)
		}
	}
	if !finite(m.Threshold) || !finite(m.Loss) {
		return fmt.Errorf("threshold %v or loss %v is not finite", m.Threshold, m.Loss)
	}
	if math.Abs(m.Threshold) > MaxLogit || m.Samples < 0 || m.Samples > math.MaxInt32 {
		return fmt.Errorf("threshold %v or number of samples %d cannot be", m.Threshold, m.Samples)
	}
	return nil
}

func counted(n int64) bool { return n >= 1 && n <= maxCounted }

// validWriter admits what Trial.Writer makes.
func validWriter(s string) bool {
	return s != "" && printable(s, maxWriter) && !strings.ContainsAny(s, "/ .")
}

// printable admits what can stand in a status and on a page as it is.
func printable(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsAny(s, `<>"`) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
