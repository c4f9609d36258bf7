package tensorboard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"plumbline.dev/plumbline/wire"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func started() wire.Report {
	return wire.Report{Kind: wire.ReportStarted, Time: noon, Epochs: 4, Digests: wire.Digests{Data: "sha256:da7a"}}
}

// epoch returns the report of epoch n with this AUC-PR. The other values do not matter.
func epoch(n int, aucPR float64) wire.Report {
	return wire.Report{
		Kind: wire.ReportEpoch, Time: noon.Add(time.Duration(n) * time.Minute), Epoch: n, Epochs: 4,
		TrainLoss: 0.5, Metrics: &wire.Metrics{AUCPR: aucPR},
	}
}

func newBest(r wire.Report, scores ...wire.SampleScore) wire.Report {
	r.Checkpoint, r.Scores = &wire.CheckpointRef{URI: "file:///best"}, scores
	return r
}

func finished(aucPR float64) wire.Report {
	return wire.Report{
		Kind: wire.ReportFinished, Time: noon.Add(time.Hour), Epoch: 4, Epochs: 4, Test: &wire.Metrics{AUCPR: aucPR},
	}
}

func TestThePointsInAnEventFile(t *testing.T) {
	unmeasured := epoch(2, 0)
	unmeasured.Metrics, unmeasured.NotFinite = nil, "3 of 9 validation scores are NaN or Inf"
	for name, c := range map[string]struct {
		reports []wire.Report
		tag     string
		want    []string // step: value
	}{
		"every epoch is a point": {
			reports: []wire.Report{started(), newBest(epoch(1, 0.5)), epoch(2, 0.25), newBest(epoch(3, 0.75))},
			tag:     "auc_pr/epoch", want: []string{"1: 0.5", "2: 0.25", "3: 0.75"},
		},
		"the best so far never falls": {
			reports: []wire.Report{
				started(), newBest(epoch(1, 0.5)), epoch(2, 0.25), newBest(epoch(3, 0.75)), epoch(4, 0.5),
			},
			tag: "auc_pr/best", want: []string{"1: 0.5", "2: 0.5", "3: 0.75", "4: 0.75"},
		},
		"a resumed trial begins with its history, once": {
			reports: []wire.Report{
				{Kind: wire.ReportResumed, Time: noon, Epoch: 2, Epochs: 4},
				started(), newBest(epoch(1, 0.5)), epoch(2, 0.25), epoch(3, 0.25),
			},
			tag: "auc_pr/best", want: []string{"1: 0.5", "2: 0.5", "3: 0.5"},
		},
		"an epoch that is reported twice is one point": {
			reports: []wire.Report{started(), epoch(1, 0.5), epoch(1, 0.5), epoch(2, 0.25)},
			tag:     "auc_pr/epoch", want: []string{"1: 0.5", "2: 0.25"},
		},
		"an epoch without metrics is no point": {
			reports: []wire.Report{started(), epoch(1, 0.5), unmeasured, epoch(3, 0.25)},
			tag:     "auc_pr/epoch", want: []string{"1: 0.5", "3: 0.25"},
		},
		"an epoch without metrics has a training loss": {
			reports: []wire.Report{started(), epoch(1, 0.5), unmeasured},
			tag:     "loss/train", want: []string{"1: 0.5", "2: 0.5"},
		},
		"the test split belongs to the best epoch": {
			reports: []wire.Report{started(), epoch(1, 0.5), newBest(epoch(2, 0.75)), epoch(3, 0.25), finished(0.625)},
			tag:     "test/auc_pr", want: []string{"2: 0.625"},
		},
		"a heartbeat shows nothing": {
			reports: []wire.Report{
				started(),
				{Kind: wire.ReportHeartbeat, Time: noon, Throughput: &wire.Throughput{ImagesPerSecond: 9}},
			},
			tag: "throughput/images_per_second",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, t.TempDir(), nil)
			defer w.Close()
			for _, r := range c.reports {
				w.Show(r)
			}
			if diff := cmp.Diff(c.want, points(t, w)[c.tag]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.tag, diff)
			}
		})
	}
}

func TestTheFirstTagIsTheMetricThatDecidesTheSweep(t *testing.T) {
	w := newWriter(t, t.TempDir(), nil)
	defer w.Close()
	for _, r := range []wire.Report{started(), newBest(epoch(1, 0.5)), finished(0.5)} {
		w.Show(r)
	}
	var scalars []string
	for tag, at := range points(t, w) {
		if strings.Contains(at[0], ": ") {
			scalars = append(scalars, tag)
		}
	}
	if first := slices.Min(scalars); first != tagBest {
		t.Errorf("TensorBoard's table of hyperparameters would show %s", first)
	}
}

func TestAFailedWriteDoesNotStopTheTrial(t *testing.T) {
	var log bytes.Buffer
	gone := filepath.Join(t.TempDir(), "gone")
	w := newWriter(t, gone, &log)
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	spooled := 0
	spool := w.After(func(wire.Report) error { spooled++; return nil })
	for _, r := range []wire.Report{started(), epoch(1, 0.5), epoch(2, 0.5)} {
		if err := spool(r); err != nil {
			t.Errorf("%s: %v", r.Kind, err)
		}
	}
	if spooled != 3 {
		t.Errorf("%d reports were spooled, want 3", spooled)
	}
	if warnings := strings.Count(log.String(), "\n"); warnings != 1 {
		t.Errorf("%d warnings, want 1:\n%s", warnings, log.String())
	}
}

func TestAReportThatIsNotSpooledIsNotShown(t *testing.T) {
	w := newWriter(t, t.TempDir(), nil)
	full := errors.New("no space left")
	if err := w.After(func(wire.Report) error { return full })(started()); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	if w.file != nil {
		t.Errorf("the file %s was created", w.file.Name())
	}
}

// newWriter returns a Writer that writes below root. log may be nil.
func newWriter(t *testing.T, root string, log *bytes.Buffer) *Writer {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	trial := wire.Trial{
		Name: "d18", Depth: 18, Run: wire.Run{UID: "run-uid"},
		Checkpoint: wire.CheckpointSettings{URI: wire.LocalURI(root)},
	}
	if err := os.MkdirAll(filepath.Join(root, wire.WriterDir("run-uid", "d18", "d18-a1-pod")), 0o755); err != nil {
		t.Fatal(err)
	}
	return New(Config{Trial: trial, Writer: "d18-a1-pod", Log: logger})
}

// points reads the writer's file and returns the values of each tag in order, as "step: value". A value that is no
// scalar is returned as its step alone.
func points(t *testing.T, w *Writer) map[string][]string {
	t.Helper()
	if w.broken {
		t.Fatal("a write has failed")
	}
	b, err := os.ReadFile(w.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for len(b) > 0 {
		event := fields(t, b[12:12+binary.LittleEndian.Uint64(b)])
		b = b[16+binary.LittleEndian.Uint64(b):]
		step := uint64(0)
		if at := event[2]; at != nil {
			step, _ = protowire.ConsumeVarint(at[0])
		}
		for _, summary := range event[5] {
			for _, v := range fields(t, summary)[1] {
				value := fields(t, v)
				shown := fmt.Sprint(step)
				if simple := value[2]; simple != nil {
					shown = fmt.Sprintf("%d: %v", step, math.Float32frombits(binary.LittleEndian.Uint32(simple[0])))
				}
				tag := string(value[1][0])
				found[tag] = append(found[tag], shown)
			}
		}
	}
	return found
}

// fields returns the fields of a message by their numbers, without the lengths of strings and messages.
func fields(t *testing.T, message []byte) map[protowire.Number][][]byte {
	t.Helper()
	all := map[protowire.Number][][]byte{}
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		size := protowire.ConsumeFieldValue(number, kind, message[max(n, 0):])
		if n < 0 || size < 0 {
			t.Fatalf("not a message: %q", message)
		}
		v := message[n : n+size]
		if kind == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(v)
		}
		all[number] = append(all[number], v)
		message = message[n+size:]
	}
	return all
}
