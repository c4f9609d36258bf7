package judge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each case breaks one thing in a history that is in order. Validate must find that, and must find nothing in the
// history before.
func TestTheJudgeFindsEachBrokenRule(t *testing.T) {
	if v := Validate(order(), order()); len(v) > 0 {
		t.Fatalf("a history in order: %v", v)
	}
	for name, test := range map[string]struct {
		damage func(*History)
		want   string // a part of a violation; empty: there is no violation
	}{
		"a report was counted twice": {
			func(h *History) { lastStatus(h).Trials[0].ReportsSeen++ },
			"status counts 6 reports, the stream holds 5",
		},
		"a report was not counted": {
			func(h *History) { lastStatus(h).Trials[1].ReportsSeen-- },
			"status counts 3 reports, the stream holds 4",
		},
		"a report is missing and not counted as a gap": {
			func(h *History) {
				h.Reports = slices.Delete(h.Reports, 3, 4)
				lastStatus(h).Trials[1].ReportsSeen--
			},
			"status counts 0 gaps, the stream has 1",
		},
		"the stream has another run's report": {
			func(h *History) { h.Reports[0].RunUID = "other" },
			"a report of run other",
		},
		"the wrong best": {
			func(h *History) { lastStatus(h).Best = lastStatus(h).Trials[1].Best },
			"recomputed from the stream it is d18 epoch 2 at 0.7000",
		},
		"a provisional best": {
			func(h *History) {
				b := *lastStatus(h).Best
				b.Provisional = true
				lastStatus(h).Best = &b
			},
			"provisional",
		},
		"no best": {
			func(h *History) { lastStatus(h).Best = nil },
			"best: there is none in status",
		},
		"a trial without its best": {
			func(h *History) { lastStatus(h).Trials[1].Best = nil },
			"d34's best: there is none in status",
		},
		"a best that was never saved": {
			func(h *History) { h.Checkpoints = h.Checkpoints[1:] },
			"is not there whole",
		},
		"a damaged best": {
			func(h *History) { h.Checkpoints[0].Damage = "weights" },
			"is not there whole",
		},
		"a trial succeeded without reporting that it finished": {
			func(h *History) { h.Reports[7].Kind = "heartbeat" },
			"no report in the stream says that it finished",
		},
		"a trial succeeded before its last epoch": {
			func(h *History) { lastStatus(h).Trials[0].Epoch = 1 },
			"succeeded at epoch 1 of 2",
		},
		"a trial that failed": {
			func(h *History) { lastStatus(h).Trials[0].Phase = "Failed" },
			"d18 ended Failed",
		},
		"a run that did not end": {
			func(h *History) { lastStatus(h).CompletionTime = "" },
			"did not end",
		},
		"a writer wrote into another writer's directory": {
			func(h *History) { h.Checkpoints[0].Writer = "d18-a1-p1" },
			"was written by d18-a1-p1",
		},
		"a checkpoint that is not whole": {
			func(h *History) { h.Checkpoints[3].Damage = "cut" },
			"is not whole: cut",
		},
		"a trial had two pods at once": {
			func(h *History) { h.Pods[2].Started = time.Unix(4, 0) },
			"two pods at once",
		},
		"an epoch went back": {
			func(h *History) { h.Statuses[0].Trials[1].Epoch = 3 },
			"went back from",
		},
		"a trial that had failed succeeded": {
			func(h *History) { h.Statuses[0].Trials[1].Phase = "Failed" },
			"had ended Failed and is Succeeded",
		},
		"an attempt repeated an epoch that the one before had saved": {
			func(h *History) { *lastStatus(h).Trials[0].Attempts[1].FromEpoch = 0 },
			"saved itself after epoch 1, and attempt 2 resumed from epoch 0",
		},
		"a committed report never reached the stream": {
			func(h *History) { h.Checkpoints[2].History[1].Sequence = 9 },
			"1 reports in u/d18/d18-a2-p3/resume-e0002-s00000002 never reached the stream",
		},
		"other weights": {
			func(h *History) { h.Checkpoints[3].Files["weights.safetensors"] = "x" },
			"d34 ended with other weights",
		},
		"other slots": {
			func(h *History) { h.Checkpoints[3].Files["slots.safetensors"] = "x" },
			"d34 ended with other weights",
		},
		"a best with other weights": {
			func(h *History) { h.Checkpoints[1].Files["weights.safetensors"] = "x" },
			"its best has other weights",
		},
		"no checkpoint of the last epoch": {
			func(h *History) { h.Checkpoints = h.Checkpoints[:3] },
			"d34 left no checkpoint of its last epoch",
		},
		"something that is left over": {
			func(h *History) { h.Leftovers = []string{"job/x"} },
			"left over after the run was deleted: job/x",
		},
		"a run ended and was running again": {
			func(h *History) {
				h.Statuses[0].CompletionTime = "now"
				lastStatus(h).CompletionTime = ""
			},
			"did not end",
		},
		"a run that was never seen": {
			func(h *History) { h.Statuses = nil },
			"no version of the run was seen",
		},
		"the drill damaged the checkpoint that is not whole": {
			func(h *History) {
				h.Checkpoints[3].Damage = "cut"
				h.Damaged = []Damage{{h.Checkpoints[3].Dir, 1}}
			},
			"",
		},
		"the drill damaged another checkpoint than the one that is not whole": {
			func(h *History) {
				h.Checkpoints[3].Damage = "cut"
				h.Damaged = []Damage{{h.Checkpoints[2].Dir, 2}}
			},
			"d34 left no checkpoint of its last epoch",
		},
		"the drill damaged a best after its trial had finished": {
			func(h *History) { harmBest(h, 2) },
			"",
		},
		"a best that the drill damaged earlier was not made again": {
			func(h *History) { harmBest(h, 1) },
			"is not there whole",
		},
		"a committed report never reached the stream, and its checkpoint names a damaged best": {
			func(h *History) {
				harmBest(h, 2)
				h.Checkpoints[2].History[1].Sequence = 9
			},
			"",
		},
		"a committed report never reached the stream, and its checkpoint names a whole best": {
			func(h *History) {
				harmBest(h, 2)
				h.Checkpoints[2].History[1].Sequence = 9
				h.Checkpoints[2].Best = "file:///c/u/d18/d18-a1-p1/best-e0001"
			},
			"never reached the stream",
		},
		"a duplicate that was not counted": {
			func(h *History) { lastStatus(h).Trials[0].Duplicates = 0 },
			"d18: status counts 0 duplicates, the stream holds 1, 1 of them",
		},
		"a duplicate was counted that the stream does not hold": {
			func(h *History) { lastStatus(h).Trials[1].Duplicates = 1 },
			"d34: status counts 1 duplicates, the stream holds 0",
		},
		"a duplicate came after the end, when no operator counts": {
			func(h *History) { sendAgain(h, 10) },
			"",
		},
		"a duplicate came before the end and was not counted": {
			func(h *History) { sendAgain(h, 8) },
			"d18: status counts 1 duplicates, the stream holds 2, 2 of them",
		},
		"an attempt that started twice": {
			func(h *History) { h.Events[1].Times = 2 },
			"the event AttemptStarted r-d18-a1 was emitted 2 times",
		},
		"two operators emitted the event of the run's end": {
			func(h *History) { h.Events = append(h.Events, h.Events[7]) },
			"the event AllTrialsSucceeded was emitted 2 times",
		},
		"an event is about an attempt that status does not have": {
			func(h *History) { h.Events[4].Job = "r-d18-a3" },
			"an event (AttemptStarted) is about r-d18-a3",
		},
		"an event is about a trial that status does not have": {
			func(h *History) { h.Events[4].Job = "r-d50-a1" },
			"is about r-d50-a1",
		},
		"an event is about another run's attempt": {
			func(h *History) { h.Events[4].Job = "q-d18-a1" },
			"is about q-d18-a1",
		},
		"an event announced a success that status does not have": {
			func(h *History) { lastStatus(h).Trials[1].Phase = "Failed" },
			"an event says that d34 succeeded, and it is Failed",
		},
		"an event announced another end than status has": {
			func(h *History) { h.Events[7].Note = "1 of 2 trials succeeded" },
			`the event of the run's end says "1 of 2 trials succeeded"`,
		},
		"an event announced a best that no report has": {
			func(h *History) { h.Events[3].Note = "d18 leads with AUC-PR 0.5001 at epoch 1" },
			"an event names a new best",
		},
		"all events were lost": {
			func(h *History) { h.Events = nil },
			"",
		},
		"the best differs from the undisturbed run's": {
			func(h *History) {
				b := *lastStatus(h).Best
				b.Epoch = 1
				lastStatus(h).Best = &b
			},
			"undisturbed it was d18 epoch 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := copied(t, order())
			test.damage(&h)
			var v strings.Builder
			for _, found := range Validate(h, order()) {
				fmt.Fprintln(&v, found)
			}
			if test.want == "" && v.Len() > 0 || !strings.Contains(v.String(), test.want) {
				t.Errorf("want a violation with %q, found:\n%s", test.want, &v)
			}
		})
	}
}

// harmBest damages the best of d18 while the given attempt runs. Attempt 2 is the one that reported that the trial
// finished.
func harmBest(h *History, attempt int) {
	best := &h.Checkpoints[0]
	best.Damage, best.Files = "weights", nil
	h.Damaged = append(h.Damaged, Damage{best.Dir, attempt})
	h.Checkpoints[2].Best = "file:///c/" + best.Dir
}

// sendAgain inserts d18's first report into the stream a second time, at the given index.
func sendAgain(h *History, at int) {
	h.Reports = slices.Insert(h.Reports, at, h.Reports[0])
	for i := range h.Reports {
		h.Reports[i].Stream = uint64(i + 1)
	}
}

func TestAViolationIsCountedByItsMeaning(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(*History)
		want   Kind
	}{
		"a report that was not counted": {
			func(h *History) { lastStatus(h).Trials[1].ReportsSeen-- },
			LostReport,
		},
		"a report that was counted twice": {
			func(h *History) { lastStatus(h).Trials[1].ReportsSeen++ },
			Doubled,
		},
		"other weights": {
			func(h *History) { h.Checkpoints[3].Files["weights.safetensors"] = "x" },
			CorruptRestore,
		},
		"a trial succeeded before its last epoch": {
			func(h *History) { lastStatus(h).Trials[0].Epoch = 1 },
			FalseSuccess,
		},
		"something that is left over": {
			func(h *History) { h.Leftovers = []string{"job/x"} },
			Other,
		},
		"the best of a trial that succeeded is damaged": {
			func(h *History) { h.Checkpoints[1].Damage = "cut" },
			FalseSuccess,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := copied(t, order())
			test.damage(&h)
			v := Validate(h, order())
			if !slices.ContainsFunc(v, func(v Violation) bool { return v.Kind == test.want }) {
				t.Errorf("want one of %q, found %+v", test.want, v)
			}
		})
	}
}
