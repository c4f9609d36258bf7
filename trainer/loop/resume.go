package loop

import (
	"fmt"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// begin starts a trial, or resumes it from a checkpoint. It then restores the weights, the optimizer and the counters,
// and reports the history of the checkpoint again, because this pod's credential cannot read which of these reports the
// stream already holds.
//
// If the checkpoint is an older run's, begin at once saves a copy of it as this writer's own, and a copy of that run's
// best. Then this run's next attempt, and a run that resumes from this one, find all they need here, even if the older
// run, which may still be training, removes its own checkpoints.
func (t *training) begin(from *checkpoint.Checkpoint) error {
	if from == nil {
		report := t.newReport(wire.ReportStarted)
		report.Message = t.Note
		t.journal.put(entry{report: &report})
		return nil
	}
	m := from.Manifest
	if err := t.model.Restore(Resume, from.Tensors); err != nil {
		return fmt.Errorf("resume from epoch %d: %w", m.Epoch, err)
	}
	t.epoch, t.step, t.phaseStep, t.skipped = m.Epoch, m.Step, m.PhaseStep, m.Skipped
	if m.LossScale != nil {
		t.lossScale = *m.LossScale
	}
	if m.Unfinished != nil {
		t.unfinished = *m.Unfinished
	}
	t.savedPosition = t.position()
	if b := m.Best; b != nil {
		t.best = &wire.EpochValue{Epoch: b.Epoch, AUCPR: b.Metrics.AUCPR}
		t.journal.best = b // safe: the journal has no entry yet, so its goroutine does not use the field
	}
	t.reportResume(m)
	best, err := t.takeOver(m)
	if err != nil {
		return err
	}
	for _, old := range from.History {
		again := entry{report: reissue(old, t.epochs)}
		if best != nil && old.Checkpoint != nil && *old.Checkpoint == m.Best.Checkpoint {
			t.journal.reserveSnapshot()
			again.best, best = best, nil // the report then names the copy
		}
		t.journal.put(again)
	}
	if t.isOlder(m) {
		t.journal.reserveSnapshot()
		own := checkpoint.Checkpoint{Manifest: t.manifest(wire.CheckpointResume), Tensors: from.Tensors}
		t.journal.put(entry{resume: &own})
	}
	return nil
}

// isOlder reports whether a checkpoint with this manifest belongs to an older run.
func (t *training) isOlder(m wire.Manifest) bool { return m.Run.UID != t.Trial.Run.UID }

// reportResume reports which checkpoint the trial resumes from, and how this resume differs from an exact one.
func (t *training) reportResume(m wire.Manifest) {
	report := t.newReport(wire.ReportResumed)
	report.Message = fmt.Sprintf("resumes from the checkpoint that %s saved in epoch %d after %d steps",
		m.Writer, min(m.Epoch+1, t.epochs), m.Step)
	if t.isOlder(m) {
		report.Message += fmt.Sprintf(", in run %s (%s)", m.Run.Name, m.Run.UID)
	}
	if then := m.Settings.Hyperparameters; then.Epochs != t.epochs && then.Schedule == wire.Cosine {
		report.Message += fmt.Sprintf("; the learning rate followed a cosine over %d epochs and "+
			"now follows one over %d", then.Epochs, t.epochs)
	}
	if why := t.Manifest.Numerics.Changed(m.Numerics); why != "" {
		report.Message += "; the result will not be bit for bit that of an undisturbed trial: " + why
		t.Log.Warn("resume is not bit-exact", "why", why)
	}
	t.journal.put(entry{report: &report})
}

// takeOver returns a copy of an older run's best that this writer can save as its own. The copy is nil if the manifest
// is this run's, or if the older run has no best.
func (t *training) takeOver(m wire.Manifest) (*checkpoint.Checkpoint, error) {
	if !t.isOlder(m) || m.Best == nil {
		return nil, nil
	}
	best, err := checkpoint.Load(m.Best.Checkpoint)
	if err != nil {
		// The best was undamaged a moment ago. The next attempt resumes from the checkpoints that the older run has by
		// then.
		return nil, fmt.Errorf("%w: copy the best of run %s: %w", ErrStore, m.Run.UID, err)
	}
	best.Manifest.Run, best.Manifest.Writer, best.Manifest.Attempt = t.Trial.Run, t.Writer, t.Trial.Attempt
	return &best, nil
}

// reissue returns another writer's report, to be sent again by this writer. It keeps the origin: who sent it first. It
// sets the number of epochs to this run's, since an older run may have asked for fewer.
func reissue(r wire.Report, epochs int) *wire.Report {
	if r.ComputedBy == nil {
		r.ComputedBy = &wire.Origin{Writer: r.Writer, Sequence: r.Sequence}
	}
	r.Epochs = epochs
	return &r
}
