package tensorboard

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"plumbline.dev/plumbline/wire"
)

// Config is what reports do not say.
type Config struct {
	Trial   wire.Trial
	Writer  string
	Samples Samples
	Log     *slog.Logger
}

// Writer writes the event file of one attempt. It is not safe for concurrent use, nor need it be: reports come one after another.
type Writer struct {
	Config
	file   *os.File // nil before the first report, and once something could not be written
	broken bool
	epoch  int          // the last one that is in the file
	best   *wire.Report // the last new best
}

// New writes nothing yet.
func New(cfg Config) *Writer { return &Writer{Config: cfg} }

// After returns a spool that shows each report once the one given has it.
func (w *Writer) After(spool func(wire.Report) error) func(wire.Report) error {
	return func(r wire.Report) error {
		if err := spool(r); err != nil {
			return err
		}
		w.Show(r)
		return nil
	}
}

// Show shows a report. What cannot be written is given up, with one warning: training goes on, and the next attempt, or whoever
// reads the reports, has it all.
func (w *Writer) Show(r wire.Report) {
	if w.broken {
		return
	}
	if err := w.write(r); err != nil {
		w.Log.Warn("TensorBoard will not see more of this attempt; training goes on", "error", err)
		w.Close()
		w.broken = true
	}
}

// Close ends the file. It holds what was reported: nothing waits to be written.
func (w *Writer) Close() {
	if w.file != nil {
		w.file.Close() // an error would be one of a write, and each of those was looked at
		w.file = nil
	}
}

func (w *Writer) write(r wire.Report) error {
	if w.file == nil {
		if err := w.open(r); err != nil {
			return fmt.Errorf("begin an event file: %w", err)
		}
	}
	step, values, err := w.valuesOf(r)
	if err != nil || len(values) == 0 {
		return err
	}
	return w.append(encodeEvent(r.Time, step, values))
}

// valuesOf says what a report adds, and at which step: steps are epochs, which trials of different batch sizes have in common.
func (w *Writer) valuesOf(r wire.Report) (step int, values []value, err error) {
	switch {
	case r.Kind == wire.Epoch && r.Epoch > w.epoch: // TensorBoard drops what it has when steps go back
		w.epoch = r.Epoch
		values = epochValues(r)
		if r.Checkpoint != nil && r.Metrics != nil {
			w.best = &r
		}
		if w.best != nil {
			values = append(values, bestSoFar(*w.best.Metrics)...)
		}
		if len(r.Scores) > 0 && r.Metrics != nil {
			shown, err := evidence(r, w.Samples)
			if err != nil {
				return 0, nil, fmt.Errorf("show the mistakes of epoch %d: %w", r.Epoch, err)
			}
			values = append(values, shown...)
		}
		return r.Epoch, values, nil
	case r.Kind == wire.Finished && r.Test != nil && w.best != nil:
		return w.best.Epoch, testValues(*r.Test), nil // the best was measured, and not the last epoch's weights
	}
	return 0, nil, nil
}

// open begins the file with the settings. A writer's name is never used again, so a file that is there already is this process'.
func (w *Writer) open(r wire.Report) error {
	root, err := wire.LocalPath(w.Trial.Checkpoint.URI)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("events.out.tfevents.%010d.%s", r.Time.Unix(), w.Writer)
	if w.file, err = os.Create(filepath.Join(root, wire.WriterDir(w.Trial.Run.UID, w.Trial.Name, w.Writer), name)); err != nil {
		return err
	}
	settings, err := settingValues(w.Trial, w.Writer, r)
	if err != nil {
		return err
	}
	return w.append(encodeVersion(r.Time), encodeEvent(r.Time, 0, settings))
}

// append writes events at once, so that TensorBoard sees them now and a killed pod loses none.
func (w *Writer) append(events ...[]byte) error {
	var b []byte
	for _, e := range events {
		b = appendRecord(b, e)
	}
	_, err := w.file.Write(b)
	return err
}
