package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/test/drill/judge"
)

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
