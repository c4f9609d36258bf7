package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/test/drill/judge"
)

// A drill that tries nothing would end without violations, like one that found none.
func TestADrillThatWouldTryNothingIsRefused(t *testing.T) {
	with := func(change func(*config)) config {
		c := config{faults: 10, faultsPerRun: 12, clusters: 1, epochs: 10}
		change(&c)
		return c
	}
	good := with(func(*config) {})
	for name, test := range map[string]struct {
		config config
		args   []string
		want   string // a part of the error; empty: the drill is accepted
	}{
		"a drill":                        {good, nil, ""},
		"some mutants":                   {good, []string{"mutants", "the lowest"}, ""},
		"a command that does not exist":  {good, []string{"scales"}, `no command "scales"`},
		"judge without a history":        {good, []string{"judge"}, "needs the files"},
		"a mutant that does not exist":   {good, []string{"mutants", "x-ray"}, `"x-ray"`},
		"no faults":                      {with(func(c *config) { c.faults = 0 }), nil, "at least 1"},
		"runs without faults":            {with(func(c *config) { c.faultsPerRun = 0 }), nil, "at least 1"},
		"no cluster":                     {with(func(c *config) { c.clusters = 0 }), nil, "at least 1"},
		"no epochs":                      {with(func(c *config) { c.epochs = 0 }), nil, "at least 1"},
		"a run with a number below zero": {with(func(c *config) { c.onlyRun = -1 }), nil, "--run"},
	} {
		err := test.config.check(test.args)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestRunsAreGivenOutUntilAllFaultsAreClaimed(t *testing.T) {
	type claim struct{ Run, Count int }
	for name, test := range map[string]struct {
		config config
		unused int  // how many faults of the first run found nothing to strike
		broken bool // whether each run broke a rule
		want   []claim
	}{
		"all faults are claimed": {
			config: config{faults: 30, faultsPerRun: 12},
			want:   []claim{{1, 12}, {2, 12}, {3, 6}},
		},
		"faults that found nothing to strike are claimed again": {
			config: config{faults: 12, faultsPerRun: 12},
			unused: 2,
			want:   []claim{{1, 12}, {2, 2}},
		},
		"only one run is drilled": {
			config: config{faults: 30, faultsPerRun: 12, onlyRun: 3},
			unused: 2,
			want:   []claim{{3, 12}},
		},
		"a run that broke a rule is the last": {
			config: config{faults: 30, faultsPerRun: 12},
			broken: true,
			want:   []claim{{1, 12}},
		},
		"the drill continues after a run that broke a rule": {
			config: config{faults: 30, faultsPerRun: 12, goOn: true},
			broken: true,
			want:   []claim{{1, 12}, {2, 12}, {3, 6}},
		},
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
				total.addRun(judge.History{}, test.unused, found)
				test.unused = 0
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("given out (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheFiguresCountEachKindOfViolation(t *testing.T) {
	violations := []judge.Violation{{Kind: judge.Doubled}, {Kind: judge.FalseSuccess}, {Kind: judge.Doubled}}
	want := "0 lost reports, 2 doubled, 0 corrupt restores, 1 false successes, 0 other violations"
	if got := figures(violations); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
