package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/test/drill/judge"
)

// A drill that tries nothing must not end as one in which all was well.
func TestADrillThatWouldTryNothingIsRefused(t *testing.T) {
	good := config{faults: 10, perRun: 12, clusters: 1, epochs: 10}
	with := func(change func(*config)) config {
		c := good
		change(&c)
		return c
	}
	for name, test := range map[string]struct {
		config config
		args   []string
		want   string // empty: it is drilled
	}{
		"a drill":                {good, nil, ""},
		"some mutants":           {good, []string{"mutants", "the lowest"}, ""},
		"a command that is none": {good, []string{"scales"}, `no command "scales"`},
		"no history to judge":    {good, []string{"judge"}, "needs the files"},
		"no such mutant":         {good, []string{"mutants", "x-ray"}, `"x-ray"`},
		"no faults":              {with(func(c *config) { c.faults = 0 }), nil, "at least 1"},
		"runs without faults":    {with(func(c *config) { c.perRun = 0 }), nil, "at least 1"},
		"no cluster":             {with(func(c *config) { c.clusters = 0 }), nil, "at least 1"},
		"no epochs":              {with(func(c *config) { c.epochs = 0 }), nil, "at least 1"},
		"a run before the first": {with(func(c *config) { c.only = -1 }), nil, "--run"},
	} {
		err := test.config.check(test.args)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestHowRunsAndFaultsAreGivenOut(t *testing.T) {
	type claim struct{ Run, Count int }
	for name, test := range map[string]struct {
		config config
		unused int // of the first run's faults
		broken bool
		want   []claim
	}{
		"until all faults are claimed":            {config{faults: 30, perRun: 12}, 0, false, []claim{{1, 12}, {2, 12}, {3, 6}}},
		"what found no moment is struck later":    {config{faults: 12, perRun: 12}, 2, false, []claim{{1, 12}, {2, 2}}},
		"one run alone":                           {config{faults: 30, perRun: 12, only: 3}, 2, false, []claim{{3, 12}}},
		"a run that was not in order is the last": {config{faults: 30, perRun: 12}, 0, true, []claim{{1, 12}}},
		"if it is not to be gone on":              {config{faults: 30, perRun: 12, mistakesToo: true}, 0, true, []claim{{1, 12}, {2, 12}, {3, 6}}},
	} {
		t.Run(name, func(t *testing.T) {
			total := &tally{}
			var got []claim
			for {
				run, count := total.claim(test.config)
				if count == 0 {
					break
				}
				got = append(got, claim{run, count})
				var found []judge.Violation
				if test.broken {
					found = []judge.Violation{{Kind: judge.Other, Text: "x"}}
				}
				total.judged(judge.History{}, test.unused, found)
				test.unused = 0
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("given out (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheFiguresCountEachKind(t *testing.T) {
	want := "0 lost reports, 2 doubled, 0 corrupt restores, 1 false successes, 0 other violations"
	if got := figures([]judge.Violation{{Kind: judge.Doubled}, {Kind: judge.FalseSuccess}, {Kind: judge.Doubled}}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
