package tensorboard

import (
	"bytes"
	"os"
	"testing"
	"time"

	"plumbline.dev/plumbline/wire"
)

// hack/reference/check_events.py golden writes the file with Python's encoders and TensorBoard's own summaries.
func TestEventsAreTheBytesThatPythonWrites(t *testing.T) {
	want, err := os.ReadFile("testdata/python.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	started, later := time.UnixMilli(1764150000250), time.UnixMilli(1764150061500)
	var scores []wire.SampleScore
	labels := []int{0, 1, 1, 0, 1, 0, 0, 1}
	for i, logit := range []float64{-2.5, 3.25, 0, 0.75, -1.125, 0.75, -40, 40} {
		scores = append(scores, wire.SampleScore{Label: labels[i], Logit: logit})
	}
	loss := scalar(nil, "loss/train", "weighted", 0.6931471805599453)
	wait := scalar(nil, "throughput/input_wait", "", 0)
	var got []byte
	for _, event := range [][]byte{
		encodeVersion(started),
		encodeEvent(started, 0, []value{
			{
				tag: "settings", plugin: "text", class: classTensor,
				about:  "all settings of the trial",
				tensor: encodeText(table([]wire.Setting{{Name: "depth", Text: "18"}})),
			},
			hyperparameters("d18-a1-local", started, []wire.Setting{{Name: "depth", Text: "18", Value: 18.0}}),
			intervalChart(),
		}),
		encodeEvent(later, 300, []value{
			loss[0], wait[0], curveValue(scores),
			{
				tag: "mistakes/missed", plugin: "images", class: classBlobs,
				about:  "defects",
				tensor: encodeStrings([]byte("2"), []byte("1"), []byte("a picture"), nil),
			},
		}),
	} {
		got = appendRecord(got, event)
	}
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		gotNext, wantNext := got[at:min(at+80, len(got))], want[at:min(at+80, len(want))]
		t.Errorf("got %d bytes, want %d; the first different byte is %d:\n got %q\nwant %q",
			len(got), len(want), at, gotNext, wantNext)
	}
}
