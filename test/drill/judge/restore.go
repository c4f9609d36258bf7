package judge

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// writersApart: what lies in a writer's directory was written by that writer.
func writersApart(h History, say sayer) {
	for _, c := range h.Checkpoints {
		dir := path.Base(path.Dir(c.Dir))
		if c.Damage == "" && c.Writer != dir {
			say(Other, "checkpoint %s was written by %s", c.Dir, c.Writer)
		}
		if c.Damage != "" && !slices.ContainsFunc(h.Damaged, func(d Damage) bool { return d.Dir == c.Dir }) {
			say(CorruptRestore, "checkpoint %s bears its final name and is not whole: %s", c.Dir, c.Damage)
		}
	}
}

// nothingRepeated: an attempt that was asked to end, and did so with its checkpoint (exit code 75), is gone on from where it was. One
// that was killed had told an epoch at most before its checkpoint was committed: the next one goes on from there, and does not begin
// anew. Each checkpoint that the drill damaged costs one epoch more; of two nothing may be left, nor of a damaged best: all checkpoints
// that name it are passed over.
func nothingRepeated(h History, say sayer) {
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
			if n := epochsTold(h, t.Name, 1, next.Number-1); *next.FromEpoch < n-1-harmed {
				say(Other, "%s: %d epochs were told before attempt %d, and it went on from epoch %d", t.Name, n, next.Number, *next.FromEpoch)
			}
			for _, a := range t.Attempts[:i] {
				if saved[fmt.Sprint(t.Name, " ", a.Number)] && harmed == 0 && *next.FromEpoch < a.Epoch {
					say(Other, "%s: attempt %d saved itself after epoch %d, and attempt %d went on from epoch %d", t.Name, a.Number, a.Epoch, next.Number, *next.FromEpoch)
				}
			}
		}
	}
}

// savedThemselves are the attempts, as trial and number, whose pod ended with exit code 75.
func savedThemselves(h History) map[string]bool {
	saved := map[string]bool{}
	for _, p := range h.Pods {
		if p.ExitCode != nil && *p.ExitCode == 75 {
			saved[p.Trial+" "+p.Attempt] = true
		}
	}
	return saved
}

// Repeats counts attempts that were followed by another, and the epochs that they had told of and the other trained again.
type Repeats struct {
	Saved, SavedEpochs   int // of those that were asked to end and saved themselves
	Killed, KilledEpochs int // of all others
}

// Repeated counts what a history's attempts did again. Trials of which the drill damaged a checkpoint are left out, and attempts that
// told nothing. An epoch is of the attempt that told it: what a killed one had told and not saved is not counted against one that
// began before it and was asked to end there.
func Repeated(h History) (n Repeats) {
	if len(h.Statuses) == 0 {
		return n
	}
	saved := savedThemselves(h)
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		if len(damaged(h, t.Name, "resume"))+len(damaged(h, t.Name, "best")) > 0 {
			continue
		}
		began := slices.DeleteFunc(slices.Clone(t.Attempts), func(a Attempt) bool { return a.FromEpoch == nil })
		for i := 1; i < len(began); i++ {
			ended, next := began[i-1], began[i]
			again := max(0, epochsTold(h, t.Name, ended.Number, ended.Number)-*next.FromEpoch)
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

// epochsTold is the highest epoch that the attempts from first to last have told.
func epochsTold(h History, trial string, first, last int) (n int) {
	for _, r := range h.Reports {
		if r.Trial == trial && r.Attempt >= first && r.Attempt <= last && r.Kind == "epoch" {
			n = max(n, r.Epoch)
		}
	}
	return n
}

// damaged are the checkpoints of a trial and a kind that the drill itself damaged.
func damaged(h History, trial, kind string) (dirs []string) {
	for _, d := range h.Damaged {
		if strings.Contains(d.Dir, "/"+trial+"/") && strings.HasPrefix(path.Base(d.Dir), kind+"-") {
			dirs = append(dirs, d.Dir)
		}
	}
	return dirs
}

// sameAsCalm: the weights at the end, and the best, are those of the undisturbed run, byte by byte.
func sameAsCalm(h, calm History, say sayer) {
	if calm.UID == "" {
		return
	}
	left := final(h)
	for trial, want := range final(calm) {
		got, ok := left[trial]
		switch {
		case !ok && lastDamaged(h, trial): // after it had told that it is done
		case !ok:
			say(CorruptRestore, "%s left no checkpoint of its last epoch", trial)
		case got != want:
			say(CorruptRestore, "%s ended with other weights than undisturbed", trial)
		}
	}
	a, b := h.Statuses[len(h.Statuses)-1], calm.Statuses[len(calm.Statuses)-1]
	if a.Best != nil && b.Best != nil && (a.Best.Trial != b.Best.Trial || a.Best.Epoch != b.Best.Epoch || a.Best.AUCPR != b.Best.AUCPR) {
		say(CorruptRestore, "best is %s epoch %d at %s, undisturbed it was %s epoch %d at %s", a.Best.Trial, a.Best.Epoch, a.Best.AUCPR, b.Best.Trial, b.Best.Epoch, b.Best.AUCPR)
	}
	for i, t := range a.Trials {
		if u := b.Trials[i]; t.Best != nil && u.Best != nil {
			x, y := find(h, t.Best.Checkpoint), find(calm, u.Best.Checkpoint)
			if x != nil && y != nil && x.Damage == "" && x.Files["weights.safetensors"] != y.Files["weights.safetensors"] {
				say(CorruptRestore, "%s: its best has other weights than undisturbed", t.Name)
			}
		}
	}
}

// lastDamaged says whether the drill itself damaged the checkpoint of a trial's last epoch.
func lastDamaged(h History, trial string) bool {
	last := fmt.Sprintf("/resume-e%04d-", epochsOf(h)[trial])
	return slices.ContainsFunc(damaged(h, trial, "resume"), func(dir string) bool { return strings.Contains(dir, last) })
}

// epochsOf are the epochs that each trial is to train.
func epochsOf(h History) map[string]int {
	epochs := map[string]int{}
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		epochs[t.Name] = t.Epochs
	}
	return epochs
}

// final is the digest of the weights and the optimizer's memory at each trial's last epoch.
func final(h History) map[string]string {
	epochs, out := epochsOf(h), map[string]string{}
	for _, c := range h.Checkpoints {
		if c.Kind == "resume" && c.Epoch == epochs[c.Trial] && c.Damage == "" {
			out[c.Trial] = c.Files["weights.safetensors"] + " " + c.Files["slots.safetensors"]
		}
	}
	return out
}
