package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

// screen shows a verb's progress: fit prints one line for each epoch and, on a terminal, a bar below them. It is also
// the writer of the log, so that a warning does not run into the bar.
type screen struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	bar   string
	drawn time.Time // when the bar was last drawn
}

// redraw is the shortest time between two drawings of the bar: a terminal over a slow line must not slow training down.
const redraw = 100 * time.Millisecond

// barWidth is the number of characters between the brackets of a bar.
const barWidth = 24

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Write prints whole lines above the bar.
func (s *screen) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	n, err := s.w.Write(line)
	if s.bar != "" {
		fmt.Fprint(s.w, s.bar)
	}
	return n, err
}

// linef prints a line above the bar.
func (s *screen) linef(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// clear removes the bar.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.bar = ""
}

func (s *screen) erase() {
	if s.bar != "" {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

// step draws the bar of a training.
func (s *screen) step(p loop.Progress) {
	s.draw(p.Step >= p.Steps, func() string { return trainingBar(p) })
}

// count draws the bar of other work. done of its total parts have ended; doing names the work.
func (s *screen) count(doing string, done, total int) {
	s.draw(done >= total, func() string { return countBar(doing, done, total) })
}

// draw draws a bar on a terminal. It skips a bar that follows another one too soon, unless it is the last one.
func (s *screen) draw(last bool, bar func() string) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !last && now.Sub(s.drawn) < redraw {
		return
	}
	s.drawn = now
	s.erase()
	s.bar = bar()
	fmt.Fprint(s.w, s.bar)
}

// trainingBar returns a bar of at most 80 columns:
// epoch  3/8 [=========>          ] 12/19  123.4 img/s  loss 0.4321
func trainingBar(p loop.Progress) string {
	filled := barWidth * p.Step / max(1, p.Steps)
	bar := strings.Repeat("=", filled) + strings.Repeat(" ", barWidth-filled)
	if filled < barWidth {
		bar = bar[:filled] + ">" + bar[filled+1:]
	}
	return fmt.Sprintf("epoch %*d/%d [%s] %*d/%d  %.1f img/s  loss %.4f",
		digits(p.Epochs), p.Epoch, p.Epochs, bar, digits(p.Steps), p.Step, p.Steps, p.ImagesPerSecond, p.Loss)
}

// countBar returns a bar such as: scoring [=====               ]  64/288
func countBar(doing string, done, total int) string {
	filled := barWidth * done / max(1, total)
	bar := strings.Repeat("=", filled) + strings.Repeat(" ", barWidth-filled)
	return fmt.Sprintf("%s [%s] %*d/%d", doing, bar, digits(total), done, total)
}

// digits returns the number of digits of n.
func digits(n int) int { return len(fmt.Sprint(n)) }

// showReport prints a report that a pod would send. It skips reports that a resumed trial sends again, because an
// earlier process has printed them.
func (s *screen) showReport(r wire.Report) error {
	switch {
	case r.ComputedBy != nil:
	case r.Kind == wire.ReportResumed:
		s.linef("%s", r.Message)
	case r.Kind == wire.ReportStarted && r.Message != "":
		s.linef("note: %s", r.Message)
	case r.Kind == wire.ReportEpoch && r.Metrics == nil:
		s.linef("epoch %d/%d  loss %.4f  not measured: %s", r.Epoch, r.Epochs, r.TrainLoss, r.NotFinite)
	case r.Kind == wire.ReportEpoch:
		best := ""
		if r.Checkpoint != nil {
			best = "  best so far"
		}
		m, speed := r.Metrics, r.Throughput
		s.linef("epoch %*d/%d  loss %.4f  validation: AUC-PR %.4f (%.3f to %.3f)  F1 %.3f  loss %.4f  "+
			"%.1f img/s  %.1f s%s", digits(r.Epochs), r.Epoch, r.Epochs, r.TrainLoss,
			m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.F1, m.Loss, speed.ImagesPerSecond, speed.EpochSeconds, best)
	}
	return nil
}
