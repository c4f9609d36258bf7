package loop

import (
	"fmt"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// begin starts a trial, or goes on from a resume checkpoint: the weights and the optimizer come back, the counters, and what has
// been reported, which is told again, because this pod's credential cannot see what the stream already has. From an older run's it
// makes one of its own at once, and of that run's best as well: then this run's next attempt, and a run that goes on from this one, find
// all they need here, whatever the older run, which may not have ended, removes of its own.
func (r *run) begin(from *checkpoint.Checkpoint) error {
	if from == nil {
		report := r.newReport(wire.Started)
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
		r.unfinished = *m.Unfinished
	}
	r.saved = r.position()
	if b := m.Best; b != nil {
		r.best = &wire.EpochValue{Epoch: b.Epoch, Value: b.Metrics.AUCPR}
		r.journal.best = b // nothing is in the journal yet
	}
	report := r.newReport(wire.Resumed)
	report.Message = fmt.Sprintf("goes on from what %s saved in epoch %d after %d steps", m.Writer, min(m.Epoch+1, r.epochs), m.Step)
	older := m.Run.UID != r.Trial.Run.UID
	if older {
		report.Message += fmt.Sprintf(", in run %s (%s)", m.Run.Name, m.Run.UID)
	}
	if then := m.Settings.Hyperparameters; then.Epochs != r.epochs && then.Schedule == wire.Cosine {
		report.Message += fmt.Sprintf("; the learning rate followed a cosine over %d epochs and now follows one over %d", then.Epochs, r.epochs)
	}
	if why := r.Manifest.Numerics.Changed(m.Numerics); why != "" {
		report.Message += "; the results will not be bit for bit those of an undisturbed trial: " + why
		r.Log.Warn("resume is not bit-exact", "why", why)
	}
	r.journal.put(entry{report: &report})
	best, err := r.takeOver(m)
	if err != nil {
		return err
	}
	for _, old := range from.History {
		again := entry{report: reissue(old, r.epochs)}
		if best != nil && old.Checkpoint != nil && *old.Checkpoint == m.Best.Checkpoint {
			r.journal.reserveSnapshot()
			again.best, best = best, nil // which the report then names
		}
		r.journal.put(again)
	}
	if older {
		r.journal.reserveSnapshot()
		r.journal.put(entry{resume: &checkpoint.Checkpoint{Manifest: r.manifest(wire.CheckpointResume), Tensors: from.Tensors}})
	}
	return nil
}

// takeOver makes the best of an older run's checkpoint one that this writer can save as its own.
func (r *run) takeOver(m wire.Manifest) (*checkpoint.Checkpoint, error) {
	if m.Run.UID == r.Trial.Run.UID || m.Best == nil {
		return nil, nil
	}
	best, err := checkpoint.Load(m.Best.Checkpoint)
	if err != nil { // it was whole a moment ago; the next attempt goes on from what the older run has then
		return nil, fmt.Errorf("%w: take over the best of run %s: %w", ErrNotKept, m.Run.UID, err)
	}
	best.Manifest.Run, best.Manifest.Writer, best.Manifest.Attempt = r.Trial.Run, r.Writer, r.Trial.Attempt
	return &best, nil
}

// reissue prepares a report of another writer to be told again. It keeps who told it first. An older run's says of how many epochs
// that run was, which this one is not.
func reissue(r wire.Report, epochs int) *wire.Report {
	if r.ComputedBy == nil {
		r.ComputedBy = &wire.Origin{Writer: r.Writer, Sequence: r.Sequence}
	}
	r.Epochs = epochs
	return &r
}
