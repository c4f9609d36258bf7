package loop

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// begin starts a trial, or goes on from a resume checkpoint: the weights and the optimizer come back, the counters, and what has
// been reported, which is told again, because this pod's credential cannot see what the stream already has.
func (r *run) begin(from *checkpoint.Checkpoint) error {
	if from == nil {
		report := r.report(wire.Started)
		report.Message = r.Note
		r.journal.put(entry{report: &report})
		return nil
	}
	m := from.Manifest
	if err := r.model.Restore(Resume, from.Tensors); err != nil {
		return fmt.Errorf("go on from epoch %d: %w", m.Epoch, err)
	}
	r.epoch, r.step, r.phaseStep, r.skipped = m.Epoch, m.Step, m.PhaseStep, m.Skipped
	if m.LossScale != nil {
		r.scale = *m.LossScale
	}
	if m.Unfinished != nil {
		r.now = *m.Unfinished
	}
	r.saved = r.position()
	if b := m.Best; b != nil {
		r.best = &wire.Candidate{Trial: r.Trial.Name, Depth: r.Trial.Depth, Epoch: b.Epoch, Value: b.Metrics.AUCPR}
		r.journal.best = b // nothing is in the journal yet
	}
	report := r.report(wire.Resumed)
	report.Message = fmt.Sprintf("goes on from what %s saved in epoch %d after %d steps", m.Writer, min(m.Epoch+1, r.epochs), m.Step)
	if why := inexact(m.Numerics, r.Manifest.Numerics); why != "" {
		report.Message += "; the results will not be bit for bit those of an undisturbed trial: " + why
		r.Log.Warn("resume is not bit-exact", "why", why)
	}
	r.journal.put(entry{report: &report})
	for _, old := range from.History {
		again := reissue(old)
		r.journal.put(entry{report: &again})
	}
	return nil
}

// reissue prepares a report of another writer to be told again. It keeps who told it first.
func reissue(r wire.Report) wire.Report {
	if r.ComputedBy == nil {
		r.ComputedBy = &wire.Origin{Writer: r.Writer, Sequence: r.Sequence}
	}
	return r
}

// Fits says why a trial may not go on from a checkpoint: it would become neither what the checkpoint began nor what was asked for.
func (c Config) Fits(m wire.Manifest) error {
	var differ []string
	for name, pair := range map[string][2]any{
		"architecture":    {m.Architecture, c.Manifest.Architecture},
		"classes":         {m.Classes, c.Manifest.Classes},
		"input":           {m.Input, c.Manifest.Input},
		"data":            {m.Digests, c.Manifest.Digests},
		"hyperparameters": {m.Settings.Hyperparameters, c.Trial.Hyperparameters},
		"imbalance":       {m.Settings.Imbalance, c.Trial.Imbalance},
		"pretrained":      {m.Pretrained, c.Manifest.Pretrained},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			differ = append(differ, fmt.Sprintf("%s %+v, now %+v", name, pair[0], pair[1]))
		}
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		return fmt.Errorf("it was trained on other settings: %s", strings.Join(differ, "; "))
	}
	return nil
}

// inexact names what float32 sums depend on and has changed.
func inexact(then, now wire.Numerics) string {
	var differ []string
	for _, d := range []struct{ name, then, now string }{
		{"TensorFlow", then.TensorFlow, now.TensorFlow},
		{"instruction set", then.ISA, now.ISA},
		{"threads", fmt.Sprint(then.Threads), fmt.Sprint(now.Threads)},
		{"precision", then.Precision, now.Precision},
		{"device", then.Device, now.Device},
	} {
		if d.then != d.now {
			differ = append(differ, fmt.Sprintf("%s %s, was %s", d.name, d.now, d.then))
		}
	}
	return strings.Join(differ, ", ")
}
