package best

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/golden"
	"plumbline.dev/plumbline/cli/text"
)

func TestBestGolden(t *testing.T) {
	var all strings.Builder
	for _, state := range []string{"finished", "running", "eventful"} {
		fmt.Fprintf(&all, "--- %s\n", state)
		for _, l := range view(clustertest.ReadRun(t, state), clustertest.Noon, text.Unicode.Cut) {
			drawn := text.Style{Glyphs: text.Unicode}.Draw(l, 0)
			if n := text.Columns(drawn); n > 101 {
				t.Errorf("%s: a line of %d columns: %s", state, n, drawn)
			}
			fmt.Fprintln(&all, drawn)
		}
	}
	golden.Check(t, "best", all.String())
}

func TestBestAsJSON(t *testing.T) {
	p := &clustertest.Program{
		Tree:    clustertest.Verbs(NewCmdBest),
		Objects: []client.Object{clustertest.ReadRun(t, "finished")},
	}
	p.Run(t, "best", "erasers", "-o", "json")
	var got struct {
		Run, Trial string
		Epoch      int
		Checkpoint api.CheckpointRef
		Test       api.Metrics
	}
	if err := json.Unmarshal(p.Out.Bytes(), &got); err != nil {
		t.Fatalf("%v:\n%s", err, p.Out.String())
	}
	want := clustertest.ReadRun(t, "finished").Status
	if got.Run != "erasers" || got.Trial != "d50" || got.Epoch != 8 || got.Checkpoint != want.Best.Checkpoint ||
		got.Test.AUCPR != "0.8600" {
		t.Errorf("got %+v", got)
	}
}

// What -o json prints of cost is what status says, attempt by attempt.
func TestTheBestAsADocumentSaysWhatItTook(t *testing.T) {
	run := clustertest.ReadRun(t, "eventful")
	out := newDocument(run, clustertest.Noon)
	if out.AUCPRPerGPUHour != "13.7207" || len(out.Attempts) != 1 || out.Attempts[0].GPUSeconds != 230 ||
		out.TrialCost.GPUSeconds != 230 {
		t.Errorf("%s per GPU-hour after %+v: %+v", out.AUCPRPerGPUHour, out.TrialCost, out.Attempts)
	}
}

func TestBestAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"best": {
			Args: "best good",
			Out:  []string{"d50, epoch 8 of 8", "Runner-up", "validation (selected on)", "test (scored once)"},
		},
		"best of a run without one": {
			Args: "best bad",
			Code: 1,
			Err:  []string{"ended without a best checkpoint: no trial has a committed checkpoint"},
		},
		"best of a run that has just begun": {
			Args: "best new",
			Code: 1,
			Err:  []string{"has no checkpoint yet: it is Pending", "plumb watch new -n inspection"},
		},
		"best of a run that is not there": {
			Args: "best god",
			Code: 1,
			Err:  []string{`run "god" does not exist`, "Its runs: bad, good, new"},
		},
		"best in an unknown format": {
			Args: "best nothing -o xml",
			Code: 2,
			Err:  []string{`"xml" is not one of json, yaml`},
		},
		"best of nothing": {
			Args: "best",
			Code: 2,
			Err:  []string{"RUN is missing", "See: plumb best --help"},
		},
		"best of too much": {
			Args: "best good bad",
			Code: 2,
			Err:  []string{`"bad" is one argument too many`},
		},
		"complete nothing after the last": {Args: "__complete best good ", Out: []string{":4"}},
	} {
		t.Run(name, func(t *testing.T) {
			want.Check(t, &clustertest.Program{Tree: clustertest.Verbs(NewCmdBest), Objects: clustertest.Inspection(t)})
		})
	}
}
