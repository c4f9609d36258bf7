package watch

import (
	"fmt"
	"io"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/follow"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/text"
)

// display shows what plumb watch sees: drawn in place on a terminal, in lines elsewhere.
type display interface {
	show(s follow.Sighting)
	again()                  // draws what was shown last: clocks have moved, or the terminal was resized
	ticks() <-chan time.Time // when to call again; nil: never
	finish()
}

func newDisplay(streams *iostreams.IOStreams, name string, now func() time.Time) display {
	if s := streams.ScreenOn(streams.Out); s != nil {
		return &liveDisplay{screen: s, style: streams.Style, name: name, now: now, ticker: time.NewTicker(time.Second)}
	}
	return &lineDisplay{out: streams.Out, errOut: streams.ErrOut, name: name, now: now}
}

// liveDisplay draws a view again whenever something comes, and once a second, for the clocks in it and because the
// terminal may have been resized.
type liveDisplay struct {
	screen *iostreams.Screen
	style  text.Style
	name   string
	now    func() time.Time
	ticker *time.Ticker

	run    *api.TrainingRun
	epochs map[string]int32     // of each trial, when seen was set
	seen   map[string]time.Time // see view
	notice string
}

func (d *liveDisplay) ticks() <-chan time.Time { return d.ticker.C }

func (d *liveDisplay) show(s follow.Sighting) {
	d.notice = noticeOf(s, d.name)
	if run, ok := s.Object.(*api.TrainingRun); ok {
		d.run = run
		d.note(run)
	}
	d.again()
}

func (d *liveDisplay) again() {
	width, height := d.screen.Size()
	v := view{
		run: d.run, now: d.now(), seen: d.seen, notice: d.notice,
		width: width, height: height - 1, style: d.style,
	}
	d.screen.Draw(v.lines())
}

// note remembers when each trial's epoch was first seen.
func (d *liveDisplay) note(run *api.TrainingRun) {
	if d.seen == nil {
		d.seen, d.epochs = map[string]time.Time{}, map[string]int32{}
	}
	for _, t := range run.Status.Trials {
		if at, ok := d.epochs[t.Name]; !ok || at != t.Epoch {
			d.epochs[t.Name], d.seen[t.Name] = t.Epoch, d.now()
		}
	}
}

func (d *liveDisplay) finish() {
	d.ticker.Stop()
	d.screen.Close()
}

// lineDisplay prints a line per change, with the time, and what is plumb's own to stderr.
type lineDisplay struct {
	out, errOut io.Writer
	name        string
	now         func() time.Time

	run    *api.TrainingRun
	notice string
}

func (d *lineDisplay) ticks() <-chan time.Time { return nil }

func (d *lineDisplay) again() {}

func (d *lineDisplay) show(s follow.Sighting) {
	if n := noticeOf(s, d.name); n != d.notice {
		if d.notice = n; n != "" {
			fmt.Fprintln(d.errOut, n)
		}
	}
	run, ok := s.Object.(*api.TrainingRun)
	if !ok {
		return
	}
	for _, l := range changes(d.run, run) {
		fmt.Fprintln(d.out, d.now().Format(time.TimeOnly), l)
	}
	d.run = run
}

func (d *lineDisplay) finish() {}

// noticeOf is what plumb itself has to say about a sighting.
func noticeOf(s follow.Sighting, name string) string {
	switch {
	case s.Lost != nil:
		return follow.LostMessage(s.Lost)
	case s.Gone:
		return "run " + name + " was deleted"
	case s.Object == nil:
		return "waiting for run " + name + " to be created"
	}
	return ""
}
