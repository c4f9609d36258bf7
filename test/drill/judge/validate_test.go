package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// order is the history of a small run that is in order: two trials of two epochs, one of which was interrupted and went on.
func order() History {
	h := History{Run: "r", UID: "u"}
	tell := func(kind, trial string, depth, attempt int, writer string, sequence int64, epoch int, aucPR float64, from *origin) {
		r := Report{Stream: uint64(len(h.Reports) + 1), Kind: kind, RunUID: "u", Trial: trial, Depth: depth, Attempt: attempt, Writer: writer, Sequence: sequence, Epoch: epoch, Epochs: 2}
		if aucPR > 0 {
			r.Metrics = &Value{aucPR}
			r.Checkpoint = &Ref{"file:///c/u/" + trial + "/" + writer + "/best-e000" + string(rune('0'+epoch)), "sha256:" + trial + string(rune('0'+epoch))}
		}
		if from != nil {
			r.ComputedBy = &struct {
				Writer   string `json:"writer"`
				Sequence int64  `json:"sequence"`
			}{from.writer, from.sequence}
		}
		h.Reports = append(h.Reports, r)
	}
	tell("started", "d18", 18, 1, "d18-a1-p1", 1, 0, 0, nil)
	tell("epoch", "d18", 18, 1, "d18-a1-p1", 2, 1, 0.5, nil)
	tell("started", "d34", 34, 1, "d34-a1-p2", 1, 0, 0, nil)
	tell("epoch", "d34", 34, 1, "d34-a1-p2", 2, 1, 0.4, nil)
	tell("resumed", "d18", 18, 2, "d18-a2-p3", 1, 1, 0, nil)
	tell("epoch", "d18", 18, 2, "d18-a2-p3", 2, 1, 0.5, &origin{"d18-a1-p1", 2})
	tell("epoch", "d18", 18, 2, "d18-a2-p3", 3, 2, 0.7, nil)
	tell("finished", "d18", 18, 2, "d18-a2-p3", 4, 2, 0, nil)
	tell("epoch", "d34", 34, 1, "d34-a1-p2", 3, 2, 0.6, nil)
	tell("finished", "d34", 34, 1, "d34-a1-p2", 4, 2, 0, nil)
	for _, c := range []Checkpoint{
		{Dir: "u/d18/d18-a2-p3/best-e0002", Writer: "d18-a2-p3", Kind: "best", Trial: "d18", Epoch: 2, Digest: "sha256:d182"},
		{Dir: "u/d34/d34-a1-p2/best-e0002", Writer: "d34-a1-p2", Kind: "best", Trial: "d34", Epoch: 2, Digest: "sha256:d342"},
		{Dir: "u/d18/d18-a2-p3/resume-e0002-s00000002", Writer: "d18-a2-p3", Kind: "resume", Trial: "d18", Epoch: 2, History: []Report{h.Reports[0], h.Reports[1], h.Reports[6]}},
		{Dir: "u/d34/d34-a1-p2/resume-e0002-s00000002", Writer: "d34-a1-p2", Kind: "resume", Trial: "d34", Epoch: 2},
	} {
		c.Files = map[string]string{"weights.safetensors": "w-" + c.Trial, "slots.safetensors": "s-" + c.Trial}
		h.Checkpoints = append(h.Checkpoints, c)
	}
	zero, one, code := 0, 1, int32(75)
	d18 := Trial{Name: "d18", Phase: "Succeeded", Attempt: 2, Epoch: 2, Epochs: 2, ReportsSeen: 5, Duplicates: 1, Best: &Best{Trial: "d18", AUCPR: "0.7000", Epoch: 2, Checkpoint: *h.Reports[6].Checkpoint}}
	for _, a := range []struct {
		n, epoch int
		from     *int
	}{{1, 1, &zero}, {2, 2, &one}} {
		d18.Attempts = append(d18.Attempts, struct {
			Number    int    `json:"number"`
			Class     string `json:"class"`
			FromEpoch *int   `json:"fromEpoch"`
			Epoch     int    `json:"epoch"`
		}{a.n, "", a.from, a.epoch})
	}
	d34 := Trial{Name: "d34", Phase: "Succeeded", Attempt: 1, Epoch: 2, Epochs: 2, ReportsSeen: 4, Best: &Best{Trial: "d34", AUCPR: "0.6000", Epoch: 2, Checkpoint: *h.Reports[8].Checkpoint}}
	h.Statuses = []Status{
		{Phase: "Running", Trials: []Trial{{Name: "d18", Phase: "Running", Attempt: 1, Epoch: 1, ReportsSeen: 2}, {Name: "d34", Phase: "Running", Attempt: 1, Epoch: 1, ReportsSeen: 2}}},
		{Phase: "Succeeded", CompletionTime: "now", Trials: []Trial{d18, d34}, Best: d18.Best,
			Conditions: []Conditions{{Type: "Succeeded", Status: "True", Reason: "AllTrialsSucceeded", Message: "2 of 2 trials succeeded"}}},
	}
	h.Events = []Event{
		{Reason: "Admitted", Note: "depths to train: [18 34]", Times: 1},
		{Reason: "AttemptStarted", Job: "r-d18-a1", Times: 1}, {Reason: "AttemptStarted", Job: "r-d34-a1", Times: 1},
		{Reason: "NewBest", Note: "d18 leads with AUC-PR 0.5000 at epoch 1", Times: 1},
		{Reason: "AttemptStarted", Job: "r-d18-a2", Times: 1},
		{Reason: "TrialSucceeded", Job: "r-d18-a2", Times: 1}, {Reason: "TrialSucceeded", Job: "r-d34-a1", Times: 1},
		{Reason: "AllTrialsSucceeded", Note: "2 of 2 trials succeeded", Times: 1},
	}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	h.Pods = []Pod{{UID: "p1", Trial: "d18", Attempt: "1", ExitCode: &code, Started: at(1), Ended: at(5)}, {UID: "p2", Trial: "d34", Started: at(1), Ended: at(9)}, {UID: "p3", Trial: "d18", Started: at(6), Ended: at(9)}}
	return h
}

// Each case breaks one thing in a history that is in order; the validator must say so, and say nothing of the one in order.
func TestTheValidatorSeesEachFault(t *testing.T) {
	if v := Validate(order(), order()); len(v) > 0 {
		t.Fatalf("a history in order: %v", v)
	}
	last := func(h *History) *Status { return &h.Statuses[len(h.Statuses)-1] }
	for name, test := range map[string]struct {
		damage func(*History)
		want   string
	}{
		"a report was counted twice":                        {func(h *History) { last(h).Trials[0].ReportsSeen++ }, "status counts 6 reports, the stream holds 5"},
		"a report was not counted":                          {func(h *History) { last(h).Trials[1].ReportsSeen-- }, "status counts 3 reports, the stream holds 4"},
		"a report is missing unnoticed":                     {func(h *History) { h.Reports = slices.Delete(h.Reports, 3, 4); last(h).Trials[1].ReportsSeen-- }, "status counts 0 gaps, the stream has 1"},
		"another run's report":                              {func(h *History) { h.Reports[0].RunUID = "other" }, "a report of run other"},
		"the wrong best":                                    {func(h *History) { last(h).Best = last(h).Trials[1].Best }, "recomputed from the stream it is d18 epoch 2 at 0.7000"},
		"a provisional best":                                {func(h *History) { b := *last(h).Best; b.Provisional = true; last(h).Best = &b }, "provisional"},
		"no best":                                           {func(h *History) { last(h).Best = nil }, "best: there is none in status"},
		"a trial without its best":                          {func(h *History) { last(h).Trials[1].Best = nil }, "d34's best: there is none in status"},
		"a best that was never saved":                       {func(h *History) { h.Checkpoints = h.Checkpoints[1:] }, "is not there whole"},
		"a damaged best":                                    {func(h *History) { h.Checkpoints[0].Damage = "weights" }, "is not there whole"},
		"success without a last word":                       {func(h *History) { h.Reports[7].Kind = "heartbeat" }, "no report in the stream says that it finished"},
		"success before the end":                            {func(h *History) { last(h).Trials[0].Epoch = 1 }, "succeeded at epoch 1 of 2"},
		"a trial that failed":                               {func(h *History) { last(h).Trials[0].Phase = "Failed" }, "d18 ended Failed"},
		"a run that did not end":                            {func(h *History) { last(h).CompletionTime = "" }, "did not end"},
		"a writer in another's directory":                   {func(h *History) { h.Checkpoints[0].Writer = "d18-a1-p1" }, "was written by d18-a1-p1"},
		"a checkpoint that is not whole":                    {func(h *History) { h.Checkpoints[3].Damage = "cut" }, "is not whole: cut"},
		"two pods at once":                                  {func(h *History) { h.Pods[2].Started = time.Unix(4, 0) }, "two pods at once"},
		"an epoch that goes back":                           {func(h *History) { h.Statuses[0].Trials[1].Epoch = 3 }, "went back from"},
		"an end that was none":                              {func(h *History) { h.Statuses[0].Trials[1].Phase = "Failed" }, "had ended Failed and is Succeeded"},
		"an epoch that was repeated":                        {func(h *History) { *last(h).Trials[0].Attempts[1].FromEpoch = 0 }, "saved itself after epoch 1, and attempt 2 went on from epoch 0"},
		"committed and never told":                          {func(h *History) { h.Checkpoints[2].History[1].Sequence = 9 }, "1 reports in u/d18/d18-a2-p3/resume-e0002-s00000002 never reached the stream"},
		"other weights":                                     {func(h *History) { h.Checkpoints[3].Files["weights.safetensors"] = "x" }, "d34 ended with other weights"},
		"other slots":                                       {func(h *History) { h.Checkpoints[3].Files["slots.safetensors"] = "x" }, "d34 ended with other weights"},
		"a best with other weights":                         {func(h *History) { h.Checkpoints[1].Files["weights.safetensors"] = "x" }, "its best has other weights"},
		"no checkpoint of the last epoch":                   {func(h *History) { h.Checkpoints = h.Checkpoints[:3] }, "d34 left no checkpoint of its last epoch"},
		"something that is left over":                       {func(h *History) { h.Leftovers = []string{"job/x"} }, "left over after the run was deleted: job/x"},
		"a run that ended and goes on":                      {func(h *History) { h.Statuses[0].CompletionTime = "now"; last(h).CompletionTime = "" }, "did not end"},
		"a run that was never seen":                         {func(h *History) { h.Statuses = nil }, "no version of the run was seen"},
		"a damaged one that was damaged":                    {func(h *History) { h.Checkpoints[3].Damage = "cut"; h.Damaged = []Damage{{h.Checkpoints[3].Dir, 1}} }, ""},
		"another one that was damaged":                      {func(h *History) { h.Checkpoints[3].Damage = "cut"; h.Damaged = []Damage{{h.Checkpoints[2].Dir, 2}} }, "d34 left no checkpoint of its last epoch"},
		"a best that was damaged too late to be made again": {func(h *History) { harmBest(h, 2) }, ""},
		"a damaged best that was not made again":            {func(h *History) { harmBest(h, 1) }, "is not there whole"},
		"committed beside a best that was damaged": {func(h *History) {
			harmBest(h, 2)
			h.Checkpoints[2].History[1].Sequence = 9
		}, ""},
		"committed beside another best": {func(h *History) {
			harmBest(h, 2)
			h.Checkpoints[2].History[1].Sequence, h.Checkpoints[2].Best = 9, "file:///c/u/d18/d18-a1-p1/best-e0001"
		}, "never reached the stream"},
		"a duplicate that was not counted":   {func(h *History) { last(h).Trials[0].Duplicates = 0 }, "d18: status counts 0 duplicates, the stream holds 1, 1 of them"},
		"a duplicate that there is not":      {func(h *History) { last(h).Trials[1].Duplicates = 1 }, "d34: status counts 1 duplicates, the stream holds 0"},
		"a duplicate while nobody counts":    {func(h *History) { again(h, 10) }, ""},
		"a duplicate that came before":       {func(h *History) { again(h, 8) }, "d18: status counts 1 duplicates, the stream holds 2, 2 of them"},
		"an attempt that started twice":      {func(h *History) { h.Events[1].Times = 2 }, "the event AttemptStarted r-d18-a1 was told 2 times"},
		"an end that two operators told":     {func(h *History) { h.Events = append(h.Events, h.Events[7]) }, "the event AllTrialsSucceeded was told 2 times"},
		"an event of no attempt":             {func(h *History) { h.Events[4].Job = "r-d18-a3" }, "an event (AttemptStarted) is about r-d18-a3"},
		"an event of no trial":               {func(h *History) { h.Events[4].Job = "r-d50-a1" }, "is about r-d50-a1"},
		"an event of another run":            {func(h *History) { h.Events[4].Job = "q-d18-a1" }, "is about q-d18-a1"},
		"a success that was told and is not": {func(h *History) { last(h).Trials[1].Phase = "Failed" }, "an event says that d34 succeeded, and it is Failed"},
		"another end than status has":        {func(h *History) { h.Events[7].Note = "1 of 2 trials succeeded" }, `the run's end was told as "1 of 2 trials succeeded"`},
		"a best that nobody measured":        {func(h *History) { h.Events[3].Note = "d18 leads with AUC-PR 0.5001 at epoch 1" }, "an event tells of a new best"},
		"events that were lost":              {func(h *History) { h.Events = nil }, ""},
		"another best than the undisturbed":  {func(h *History) { b := *last(h).Best; b.Epoch = 1; last(h).Best = &b }, "undisturbed it was d18 epoch 2"},
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

// harmBest damages the best of d18 while an attempt runs. Attempt 2 has told that it is done.
func harmBest(h *History, attempt int) {
	best := &h.Checkpoints[0]
	best.Damage, best.Files = "weights", nil
	h.Damaged = append(h.Damaged, Damage{best.Dir, attempt})
	h.Checkpoints[2].Best = "file:///c/" + best.Dir
}

// again has d18's first report sent once more, at a place in the stream.
func again(h *History, at int) {
	h.Reports = slices.Insert(h.Reports, at, h.Reports[0])
	for i := range h.Reports {
		h.Reports[i].Stream = uint64(i + 1)
	}
}

func TestAViolationIsCountedByWhatItMeans(t *testing.T) {
	last := func(h *History) *Status { return &h.Statuses[len(h.Statuses)-1] }
	for name, test := range map[string]struct {
		damage func(*History)
		want   Kind
	}{
		"a report that was not counted":         {func(h *History) { last(h).Trials[1].ReportsSeen-- }, LostReport},
		"a report that was counted twice":       {func(h *History) { last(h).Trials[1].ReportsSeen++ }, Doubled},
		"other weights":                         {func(h *History) { h.Checkpoints[3].Files["weights.safetensors"] = "x" }, CorruptRestore},
		"success at half the way":               {func(h *History) { last(h).Trials[0].Epoch = 1 }, FalseSuccess},
		"something that is left over":           {func(h *History) { h.Leftovers = []string{"job/x"} }, Other},
		"a best that is damaged, of a good end": {func(h *History) { h.Checkpoints[1].Damage = "cut" }, FalseSuccess},
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

func copied(t *testing.T, h History) History {
	t.Helper()
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var out History
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// An attempt that was killed is told from one that saved itself; what the drill damaged says nothing about either.
func TestWhatIsTrainedAgainIsCounted(t *testing.T) {
	h := order()
	if n := Repeated(h); n != (Repeats{Saved: 1}) {
		t.Errorf("an attempt that saved itself was gone on from where it was: %+v", n)
	}
	zero, asked := 0, int32(75)
	h.Statuses[len(h.Statuses)-1].Trials[0].Attempts[1].FromEpoch = &zero
	if n := Repeated(h); n != (Repeats{Saved: 1, SavedEpochs: 1}) {
		t.Errorf("its epoch was trained again: %+v", n)
	}
	h.Pods[0].ExitCode = nil
	if n := Repeated(h); n != (Repeats{Killed: 1, KilledEpochs: 1}) {
		t.Errorf("it was killed: %+v", n)
	}
	attempts := &h.Statuses[len(h.Statuses)-1].Trials[0].Attempts
	*attempts = slices.Insert(*attempts, 1, Attempt{Number: 2, FromEpoch: &zero}) // it told nothing new, and was asked to end
	(*attempts)[2].Number = 3
	for i, r := range h.Reports {
		if r.Attempt == 2 {
			h.Reports[i].Attempt = 3
		}
	}
	h.Pods[0].Attempt, h.Pods[0].ExitCode = "2", &asked
	if n := Repeated(h); n != (Repeats{Saved: 1, Killed: 1, KilledEpochs: 1}) {
		t.Errorf("the epoch was that of the attempt that was killed: %+v", n)
	}
	harmBest(&h, 2)
	if n := Repeated(h); n != (Repeats{}) {
		t.Errorf("the drill damaged a checkpoint: %+v", n)
	}
}
