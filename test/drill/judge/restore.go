package judge

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// checkStore checks that a writer's directory holds only what that writer wrote, and that every committed checkpoint is
// whole, unless the drill damaged it.
func checkStore(h History, record recordFunc) {
	for _, c := range h.Checkpoints {
		dir := path.Base(path.Dir(c.Dir))
		if c.Damage == "" && c.Writer != dir {
			record(Other, "checkpoint %s was written by %s", c.Dir, c.Writer)
		}
		if c.Damage != "" && !slices.ContainsFunc(h.Damaged, func(d Damage) bool { return d.Dir == c.Dir }) {
			record(CorruptRestore, "checkpoint %s is committed and is not whole: %s", c.Dir, c.Damage)
		}
	}
}

// checkResumePoints checks from which epoch attempts resume. When an attempt was asked to end and ended with exit code
// 75, it saved itself, and the next attempt resumes from where it was. When an attempt was killed, it had reported at
// most one epoch whose checkpoint was not committed yet, and the next attempt resumes from the epoch before that one;
// it does not start from scratch.
//
// Each resume checkpoint that the drill damaged costs at most one epoch more. The rule does not hold for a trial when
// the drill damaged two of its resume checkpoints, since none may be left, or a best, since an attempt skips all
// checkpoints that name it.
func checkResumePoints(h History, record recordFunc) {
	saved := savedThemselves(h)
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		harmed := len(damaged(h, t.Name, "resume"))
		if harmed > 1 || len(damaged(h, t.Name, "best")) > 0 {
			continue
		}
		for i, next := range t.Attempts {
			if next.FromEpoch == nil {
				continue
			}
			if n := reportedEpochs(h, t.Name, 1, next.Number-1); *next.FromEpoch < n-1-harmed {
				record(Other, "%s: %d epochs were reported before attempt %d, and it resumed from epoch %d",
					t.Name, n, next.Number, *next.FromEpoch)
			}
			for _, a := range t.Attempts[:i] {
				if saved[fmt.Sprint(t.Name, " ", a.Number)] && harmed == 0 && *next.FromEpoch < a.Epoch {
					record(Other, "%s: attempt %d saved itself after epoch %d, and attempt %d resumed from epoch %d",
						t.Name, a.Number, a.Epoch, next.Number, *next.FromEpoch)
				}
			}
		}
	}
}

// savedThemselves returns the attempts whose pod ended with exit code 75. A key is the trial's name, a space and the
// attempt's number.
func savedThemselves(h History) map[string]bool {
	saved := map[string]bool{}
	for _, p := range h.Pods {
		if p.ExitCode != nil && *p.ExitCode == 75 {
			saved[p.Trial+" "+p.Attempt] = true
		}
	}
	return saved
}

// Repeats counts the attempts that another attempt followed, and the epochs that they had reported and the other
// trained again.
type Repeats struct {
	Saved, SavedEpochs   int // attempts that were asked to end and saved themselves
	Killed, KilledEpochs int // all other attempts
}

// Repeated counts what the attempts of a history trained again. It leaves out trials of which the drill damaged a
// checkpoint, and attempts that reported nothing.
//
// An epoch counts for the attempt that reported it. Suppose attempt 1 reports epoch 1 and is killed before saving it;
// attempt 2 starts from epoch 0, is asked to end and saves itself there. Attempt 3 then trains epoch 1 again because of
// attempt 1.
func Repeated(h History) (n Repeats) {
	if len(h.Statuses) == 0 {
		return n
	}
	saved := savedThemselves(h)
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		if len(damaged(h, t.Name, "resume"))+len(damaged(h, t.Name, "best")) > 0 {
			continue
		}
		started := slices.DeleteFunc(slices.Clone(t.Attempts), func(a Attempt) bool { return a.FromEpoch == nil })
		for i := 1; i < len(started); i++ {
			ended, next := started[i-1], started[i]
			again := max(0, reportedEpochs(h, t.Name, ended.Number, ended.Number)-*next.FromEpoch)
			if saved[fmt.Sprint(t.Name, " ", ended.Number)] {
				n.Saved++
				n.SavedEpochs += again
			} else {
				n.Killed++
				n.KilledEpochs += again
			}
		}
	}
	return n
}

// reportedEpochs returns the highest epoch that the attempts from first to last have reported.
func reportedEpochs(h History, trial string, first, last int) (n int) {
	for _, r := range h.Reports {
		if r.Trial == trial && r.Attempt >= first && r.Attempt <= last && r.Kind == "epoch" {
			n = max(n, r.Epoch)
		}
	}
	return n
}

// damaged returns the directories of a trial's checkpoints of a kind that the drill itself damaged.
func damaged(h History, trial, kind string) (dirs []string) {
	for _, d := range h.Damaged {
		if strings.Contains(d.Dir, "/"+trial+"/") && strings.HasPrefix(path.Base(d.Dir), kind+"-") {
			dirs = append(dirs, d.Dir)
		}
	}
	return dirs
}

// checkSameAsCalm checks that each trial's last weights and optimizer slots, its best, and the run's best are those of
// the undisturbed run, byte by byte.
func checkSameAsCalm(h, calm History, record recordFunc) {
	if calm.UID == "" {
		return
	}
	got := finalDigests(h)
	for trial, want := range finalDigests(calm) {
		digests, ok := got[trial]
		switch {
		case !ok && lastDamaged(h, trial):
			// The trial had already reported that it finished, so no attempt trained the epoch again.
		case !ok:
			record(CorruptRestore, "%s left no checkpoint of its last epoch", trial)
		case digests != want:
			record(CorruptRestore, "%s ended with other weights than undisturbed", trial)
		}
	}
	a, b := h.Statuses[len(h.Statuses)-1], calm.Statuses[len(calm.Statuses)-1]
	if x, y := a.Best, b.Best; x != nil && y != nil &&
		(x.Trial != y.Trial || x.Epoch != y.Epoch || x.AUCPR != y.AUCPR) {
		record(CorruptRestore, "best is %s epoch %d at %s, undisturbed it was %s epoch %d at %s",
			x.Trial, x.Epoch, x.AUCPR, y.Trial, y.Epoch, y.AUCPR)
	}
	for i, t := range a.Trials {
		u := b.Trials[i]
		if t.Best == nil || u.Best == nil {
			continue
		}
		x, y := find(h, t.Best.Checkpoint), find(calm, u.Best.Checkpoint)
		if x != nil && y != nil && x.Damage == "" && x.Files["weights.safetensors"] != y.Files["weights.safetensors"] {
			record(CorruptRestore, "%s: its best has other weights than undisturbed", t.Name)
		}
	}
}

// lastDamaged reports whether the drill itself damaged the checkpoint of a trial's last epoch.
func lastDamaged(h History, trial string) bool {
	last := fmt.Sprintf("/resume-e%04d-", epochsOf(h)[trial])
	isLast := func(dir string) bool { return strings.Contains(dir, last) }
	return slices.ContainsFunc(damaged(h, trial, "resume"), isLast)
}

// epochsOf returns, by trial, the number of epochs to train.
func epochsOf(h History) map[string]int {
	epochs := map[string]int{}
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		epochs[t.Name] = t.Epochs
	}
	return epochs
}

// finalDigests returns, by trial, the digests of the weights and of the optimizer's slots after the last epoch.
func finalDigests(h History) map[string]string {
	epochs, out := epochsOf(h), map[string]string{}
	for _, c := range h.Checkpoints {
		if c.Kind == "resume" && c.Epoch == epochs[c.Trial] && c.Damage == "" {
			out[c.Trial] = c.Files["weights.safetensors"] + " " + c.Files["slots.safetensors"]
		}
	}
	return out
}
