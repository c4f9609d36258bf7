package tensorboard

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"plumbline.dev/plumbline/wire"
)

// Config holds what a Writer needs and no report contains.
type Config struct {
	Trial   wire.Trial
	Writer  string
	Samples Samples
	Log     *slog.Logger
}

// Writer writes the event file of one attempt. It is not safe for concurrent use: the trial makes one report at a
// time.
type Writer struct {
	Config
	file   *os.File     // nil before the first report and after Close
	broken bool         // a write has failed: nothing more is written
	epoch  int          // the last epoch in the file
	best   *wire.Report // the report of the last new best
}

// New returns a Writer. It creates the file when it receives the first report.
func New(cfg Config) *Writer { return &Writer{Config: cfg} }

// After returns a function that calls spool with a report and, if spool returns no error, shows the report.
func (w *Writer) After(spool func(wire.Report) error) func(wire.Report) error {
	return func(r wire.Report) error {
		if err := spool(r); err != nil {
			return err
		}
		w.Show(r)
		return nil
	}
}

// Show adds a report to the file. If a write fails, Show logs one warning, and the Writer writes nothing more.
// Training continues, and nothing is lost: the file of the next attempt contains the whole trial, and so do the
// reports.
func (w *Writer) Show(r wire.Report) {
	if w.broken {
		return
	}
	if err := w.write(r); err != nil {
		w.Log.Warn("the event file cannot be written: TensorBoard shows no more of this attempt, training continues",
			"error", err)
		w.Close()
		w.broken = true
	}
}

// Close closes the file. Show has already written every report.
func (w *Writer) Close() {
	if w.file != nil {
		w.file.Close() // every write has already been checked for errors
		w.file = nil
	}
}

func (w *Writer) write(r wire.Report) error {
	if w.file == nil {
		if err := w.open(r); err != nil {
			return fmt.Errorf("create the event file: %w", err)
		}
	}
	step, values, err := w.valuesOf(r)
	if err != nil || len(values) == 0 {
		return err
	}
	return w.writeEvents(encodeEvent(r.Time, step, values))
}

// valuesOf returns the values that a report adds, and their step. The step is the epoch, so that trials with
// different batch sizes can be compared.
func (w *Writer) valuesOf(r wire.Report) (step int, values []value, err error) {
	switch {
	case r.Kind == wire.ReportEpoch && r.Epoch > w.epoch:
		// A smaller step would make TensorBoard drop the points after it.
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
	case r.Kind == wire.ReportFinished && r.Test != nil && w.best != nil:
		return w.best.Epoch, testValues(*r.Test), nil // the test used the weights of the best epoch, not of the last
	}
	return 0, nil, nil
}

// open creates the file and writes the settings into it. Every writer has another name, so a file that already exists
// is this process' own.
func (w *Writer) open(r wire.Report) error {
	root, err := wire.LocalPath(w.Trial.Checkpoint.URI)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("events.out.tfevents.%010d.%s", r.Time.Unix(), w.Writer)
	dir := filepath.Join(root, wire.WriterDir(w.Trial.Run.UID, w.Trial.Name, w.Writer))
	if w.file, err = os.Create(filepath.Join(dir, name)); err != nil {
		return err
	}
	settings, err := settingValues(w.Trial, w.Writer, r)
	if err != nil {
		return err
	}
	return w.writeEvents(encodeVersion(r.Time), encodeEvent(r.Time, 0, settings))
}

// writeEvents writes events without a buffer, so that TensorBoard sees them at once and a killed pod loses none.
func (w *Writer) writeEvents(events ...[]byte) error {
	var b []byte
	for _, e := range events {
		b = appendRecord(b, e)
	}
	_, err := w.file.Write(b)
	return err
}
