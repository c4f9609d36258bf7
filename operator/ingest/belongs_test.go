package ingest

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/reporttest"
	"plumbline.dev/plumbline/wire"
)

func TestReportsThatAreRefused(t *testing.T) {
	run := &api.TrainingRun{Status: api.TrainingRunStatus{
		Trials: []api.TrialStatus{{Name: "d18", Depth: 18, Attempt: 2, Epochs: 8}},
	}}
	subject := wire.Subject(uid, "d18", 2)
	for name, tc := range map[string]struct {
		change  func(*wire.Report) // of a good report of the newest attempt; nil: none
		subject string             // empty: that of the newest attempt
		want    string             // the reason of the refusal; empty: accepted
	}{
		"a good one": {want: ""},
		"of an earlier attempt": {
			change:  func(r *wire.Report) { r.Attempt, r.Writer = 1, "d18-a1-p" },
			subject: wire.Subject(uid, "d18", 1),
			want:    "",
		},
		"of an attempt that was never started": {
			change:  func(r *wire.Report) { r.Attempt, r.Writer = 3, "d18-a3-p" },
			subject: wire.Subject(uid, "d18", 3),
			want:    refusedAttempt,
		},
		"of a depth that is not trained": {
			change:  func(r *wire.Report) { r.Trial, r.Depth, r.Writer = "d50", 50, "d50-a2-p" },
			subject: wire.Subject(uid, "d50", 2),
			want:    refusedTrial,
		},
		"with another depth than the trial's": {
			change: func(r *wire.Report) { r.Depth = 50 },
			want:   refusedTrial,
		},
		"on another trial's subject": {
			subject: wire.Subject(uid, "d50", 2),
			want:    refusedSubject,
		},
		"on another run's subject": {
			subject: wire.Subject("22222222", "d18", 2),
			want:    refusedSubject,
		},
		"with another number of epochs than the trial's": {
			change: func(r *wire.Report) { r.Epochs = 9 },
			want:   refusedEpoch,
		},
		"by a writer of another trial": {
			change: func(r *wire.Report) { r.Writer = "d50-a2-p" },
			want:   refusedWriter,
		},
		"of a later major wire version": {
			change: func(r *wire.Report) { r.Version = "2.0" },
			want:   refusedVersion,
		},
		"of the next minor version": {
			change: func(r *wire.Report) { r.Version = "1.1" },
			want:   "",
		},
		"of an epoch after the last": {
			change: func(r *wire.Report) { r.Epoch = 9 },
			want:   refusedForm,
		},
		"with a metric above 1": {
			change: func(r *wire.Report) { r.Metrics.AUCPR = 1.5 },
			want:   refusedForm,
		},
		"with a message that is too long": {
			change: func(r *wire.Report) { r.Message = strings.Repeat("x", 1025) },
			want:   refusedForm,
		},
		"with a sequence that would overflow": {
			change: func(r *wire.Report) { r.Sequence = math.MaxInt64 },
			want:   refusedForm,
		},
		"with a threshold of 300 digits": {
			change: func(r *wire.Report) { r.Metrics.Threshold = 1e300 },
			want:   refusedForm,
		},
		"with more samples than any data set has": {
			change: func(r *wire.Report) { r.Metrics.Samples = 1 << 40 },
			want:   refusedForm,
		},
		"with an epoch of 1e300 seconds": {
			change: func(r *wire.Report) { r.Throughput.EpochSeconds = 1e300 },
			want:   refusedForm,
		},
		"with a location that is too long": {
			change: func(r *wire.Report) { r.Checkpoint.URI = "file:///" + strings.Repeat("x", 2048) },
			want:   refusedForm,
		},
		"with HTML in a location": {
			change: func(r *wire.Report) { r.Checkpoint.URI = "file:///<script>" },
			want:   refusedForm,
		},
		"with an escape sequence in a digest": {
			change: func(r *wire.Report) { r.Checkpoint.Digest = "sha256:\x1b[31m" },
			want:   refusedForm,
		},
		"with a digest that is too long": {
			change: func(r *wire.Report) { r.Digests.Data = strings.Repeat("x", 129) },
			want:   refusedForm,
		},
		"that repeats a writer of no valid name": {
			change: func(r *wire.Report) { r.ComputedBy = &wire.Origin{Writer: "d18-a1-\n", Sequence: 1} },
			want:   refusedForm,
		},
		"by a writer with a name of ten thousand bytes": {
			change: func(r *wire.Report) { r.Writer += strings.Repeat("x", 10000) },
			want:   refusedForm,
		},
		"larger than a report may be": {
			change: func(r *wire.Report) { r.Message = strings.Repeat("x", wire.MaxReportBytes) },
			want:   refusedSize,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := (&reporttest.Writer{Attempt: 2, Pod: "p"}).Epoch(1, 0.5, true)
			if tc.change != nil {
				tc.change(&r)
			}
			if tc.subject == "" {
				tc.subject = subject
			}
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			got, refused := decode(tc.subject, b)
			if refused == "" {
				refused = expect(run).refuse(got)
			}
			if refused != tc.want {
				t.Errorf("refused for %q, want %q", refused, tc.want)
			}
		})
	}
	nan := `{"version":"` + wire.Version + `","kind":"epoch","metrics":{"aucPR":NaN}}`
	for _, junk := range []string{
		"", "null", "{", "[]", `{"version":1}`, "\x00\xff", nan, strings.Replace(nan, "NaN", "1e999", 1),
	} {
		if _, refused := decode(subject, []byte(junk)); refused != refusedForm {
			t.Errorf("%q is refused for %q, want %q", junk, refused, refusedForm)
		}
	}
	if got := runOf(subject); got != uid {
		t.Errorf("the run of %s is %q", subject, got)
	}
}
