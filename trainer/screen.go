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

// screen is what fit shows while it trains: a line an epoch and, on a terminal, a bar below them. It is a log's writer as well, so
// that a warning does not run into the bar.
type screen struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	bar   string
	drawn time.Time
}

// redraw at most so often: a terminal over a slow line must not slow the training.
const redraw = 100 * time.Millisecond

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Write puts whole lines above the bar.
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

func (s *screen) linef(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// clear takes the bar away.
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

// step draws the bar.
func (s *screen) step(p loop.Progress) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); p.Step < p.Steps && now.Sub(s.drawn) < redraw {
		return
	} else {
		s.drawn = now
	}
	s.erase()
	s.bar = progressBar(p)
	fmt.Fprint(s.w, s.bar)
}

// progressBar fits into 80 columns: epoch  3/8 [=========>          ] 12/19  123.4 img/s  loss 0.4321
func progressBar(p loop.Progress) string {
	const width = 24
	filled := width * p.Step / max(1, p.Steps)
	bar := strings.Repeat("=", filled) + strings.Repeat(" ", width-filled)
	if filled < width {
		bar = bar[:filled] + ">" + bar[filled+1:]
	}
	return fmt.Sprintf("epoch %*d/%d [%s] %*d/%d  %.1f img/s  loss %.4f",
		len(fmt.Sprint(p.Epochs)), p.Epoch, p.Epochs, bar, len(fmt.Sprint(p.Steps)), p.Step, p.Steps, p.ImagesPerSecond, p.Loss)
}

// showReport shows what a pod would have sent. What is told again from a checkpoint was shown by an earlier process.
func (s *screen) showReport(r wire.Report) error {
	switch {
	case r.ComputedBy != nil:
	case r.Kind == wire.Resumed:
		s.linef("%s", r.Message)
	case r.Kind == wire.Started && r.Message != "":
		s.linef("note: %s", r.Message)
	case r.Kind == wire.Epoch && r.Metrics == nil:
		s.linef("epoch %d/%d  loss %.4f  not measured: %s", r.Epoch, r.Epochs, r.TrainLoss, r.NotFinite)
	case r.Kind == wire.Epoch:
		best := ""
		if r.Checkpoint != nil {
			best = "  best so far"
		}
		m := r.Metrics
		s.linef("epoch %*d/%d  loss %.4f  validation: AUC-PR %.4f (%.3f to %.3f)  F1 %.3f  loss %.4f  %.1f img/s  %.1f s%s", len(fmt.Sprint(r.Epochs)), r.Epoch, r.Epochs,
			r.TrainLoss, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.F1, m.Loss, r.Throughput.ImagesPerSecond, r.Throughput.EpochSeconds, best)
	}
	return nil
}
