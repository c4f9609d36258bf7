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
// run removes its own checkpoints. It can, because it may not have ended.
func (r *run) begin(from *checkpoint.Checkpoint) error {
	if from == nil {
		report := r.newReport(wire.ReportStarted)
		report.Message = r.Note
		r.journal.put(entry{report: &report})
		return nil
	}
	m := from.Manifest
	if err := r.model.Restore(Resume, from.Tensors); err != nil {
		return fmt.Errorf("resume from epoch %d: %w", m.Epoch, err)
	}
	r.epoch, r.step, r.phaseStep, r.skipped = m.Epoch, m.Step, m.PhaseStep, m.Skipped
	if m.LossScale != nil {
		r.lossScale = *m.LossScale
	}
	if m.Unfinished != nil {
		r.unfinished = *m.Unfinished
	}
	r.savedPosition = r.position()
	if b := m.Best; b != nil {
		r.best = &wire.EpochValue{Epoch: b.Epoch, AUCPR: b.Metrics.AUCPR}
		r.journal.best = b // safe: the journal has no entry yet, so its goroutine does not use the field
	}
	r.reportResume(m)
	best, err := r.takeOver(m)
	if err != nil {
		return err
	}
	for _, old := range from.History {
		again := entry{report: reissue(old, r.epochs)}
		if best != nil && old.Checkpoint != nil && *old.Checkpoint == m.Best.Checkpoint {
			r.journal.reserveSnapshot()
			again.best, best = best, nil // the report then names the copy
		}
		r.journal.put(again)
	}
	if r.isOlder(m) {
		r.journal.reserveSnapshot()
		own := checkpoint.Checkpoint{Manifest: r.manifest(wire.CheckpointResume), Tensors: from.Tensors}
		r.journal.put(entry{resume: &own})
	}
	return nil
}

// isOlder reports whether a checkpoint with this manifest belongs to an older run.
func (r *run) isOlder(m wire.Manifest) bool { return m.Run.UID != r.Trial.Run.UID }

// reportResume reports which checkpoint the trial resumes from, and how this resume differs from an exact one.
func (r *run) reportResume(m wire.Manifest) {
	report := r.newReport(wire.ReportResumed)
	report.Message = fmt.Sprintf("resumes from the checkpoint that %s saved in epoch %d after %d steps",
		m.Writer, min(m.Epoch+1, r.epochs), m.Step)
	if r.isOlder(m) {
		report.Message += fmt.Sprintf(", in run %s (%s)", m.Run.Name, m.Run.UID)
	}
	if then := m.Settings.Hyperparameters; then.Epochs != r.epochs && then.Schedule == wire.Cosine {
		report.Message += fmt.Sprintf("; the learning rate followed a cosine over %d epochs and "+
			"now follows one over %d", then.Epochs, r.epochs)
	}
	if why := r.Manifest.Numerics.Changed(m.Numerics); why != "" {
		report.Message += "; the result will not be bit for bit that of an undisturbed trial: " + why
		r.Log.Warn("resume is not bit-exact", "why", why)
	}
	r.journal.put(entry{report: &report})
}

// takeOver returns a copy of an older run's best that this writer can save as its own. The copy is nil if the manifest
// is this run's, or if the older run has no best.
func (r *run) takeOver(m wire.Manifest) (*checkpoint.Checkpoint, error) {
	if !r.isOlder(m) || m.Best == nil {
		return nil, nil
	}
	best, err := checkpoint.Load(m.Best.Checkpoint)
	if err != nil {
		// The best was whole a moment ago. The next attempt resumes from what the older run has by then.
		return nil, fmt.Errorf("%w: copy the best of run %s: %w", ErrStore, m.Run.UID, err)
	}
	best.Manifest.Run, best.Manifest.Writer, best.Manifest.Attempt = r.Trial.Run, r.Writer, r.Trial.Attempt
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
