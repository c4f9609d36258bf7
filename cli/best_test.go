package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

func TestBestGolden(t *testing.T) {
	var all strings.Builder
	for _, state := range []string{"finished", "running", "eventful"} {
		fmt.Fprintf(&all, "--- %s\n", state)
		for _, l := range bestView(readRun(t, state), noon, unicodeGlyphs.cut) {
			drawn := style{glyphs: unicodeGlyphs}.draw(l, 0)
			if n := columns(drawn); n > 101 {
				t.Errorf("%s: a line of %d columns: %s", state, n, drawn)
			}
			fmt.Fprintln(&all, drawn)
		}
	}
	golden(t, "best.txt", all.String())
}

func TestBestAsJSON(t *testing.T) {
	p := &program{tree: verbs(newCmdBest), objects: []client.Object{readRun(t, "finished")}}
	p.run(t, "best", "erasers", "-o", "json")
	var got struct {
		Run, Trial string
		Epoch      int
		Checkpoint api.CheckpointRef
		Test       api.Metrics
	}
	if err := json.Unmarshal(p.out.Bytes(), &got); err != nil {
		t.Fatalf("%v:\n%s", err, p.out.String())
	}
	want := readRun(t, "finished").Status
	if got.Run != "erasers" || got.Trial != "d50" || got.Epoch != 8 || got.Checkpoint != want.Best.Checkpoint || got.Test.AUCPR != "0.8600" {
		t.Errorf("got %+v", got)
	}
}

// What -o json prints of cost is what status says, attempt by attempt.
func TestTheBestAsADocumentSaysWhatItTook(t *testing.T) {
	run := readRun(t, "eventful")
	out := bestDocument(run, noon)
	if out.AUCPRPerGPUHour != "13.7207" || len(out.Attempts) != 1 || out.Attempts[0].GPUSeconds != 230 || out.TrialCost.GPUSeconds != 230 {
		t.Errorf("%s per GPU-hour after %+v: %+v", out.AUCPRPerGPUHour, out.TrialCost, out.Attempts)
	}
}

func TestBestAnswers(t *testing.T) {
	for name, want := range map[string]answer{
		"best":                              {args: "best good", out: []string{"d50, epoch 8 of 8", "Runner-up", "validation (selected on)", "test (scored once)"}},
		"best of a run without one":         {args: "best bad", code: 1, err: []string{"ended without a best checkpoint: no trial has a committed checkpoint"}},
		"best of a run that has just begun": {args: "best new", code: 1, err: []string{"has no checkpoint yet: it is Pending", "plumb watch new -n inspection"}},
		"best of a run that is not there":   {args: "best god", code: 1, err: []string{`run "god" does not exist`, "Its runs: bad, good, new"}},
		"best in an unknown format":         {args: "best nothing -o xml", code: 2, err: []string{`"xml" is not one of json, yaml`}},
		"best of nothing":                   {args: "best", code: 2, err: []string{"RUN is missing", "See: plumb best --help"}},
		"best of too much":                  {args: "best good bad", code: 2, err: []string{`"bad" is one argument too many`}},
		"complete nothing after the last":   {args: "__complete best good ", out: []string{":4"}},
	} {
		t.Run(name, func(t *testing.T) {
			want.check(t, &program{tree: verbs(newCmdBest), objects: inspection(t)})
		})
	}
}
