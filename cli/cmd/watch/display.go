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

// display shows sightings of a run to the user.
type display interface {
	show(s follow.Sighting)
	redraw()                 // shows the last sighting again, because time has passed or the terminal was resized
	ticks() <-chan time.Time // says when to call redraw; nil: never
	finish()                 // is called once, after the last sighting
}

// newDisplay returns a display that draws in place on a terminal, or prints lines to anything else.
func newDisplay(streams *iostreams.IOStreams, name string, now func() time.Time) display {
	if s := streams.ScreenOn(streams.Out); s != nil {
		return &liveDisplay{screen: s, style: streams.Style, name: name, now: now, ticker: time.NewTicker(time.Second)}
	}
	return &lineDisplay{out: streams.Out, errOut: streams.ErrOut, name: name, now: now}
}

// liveDisplay draws a view at each sighting. It also redraws it once a second, because the view shows times and the
// terminal may have been resized.
type liveDisplay struct {
	screen *iostreams.Screen
	style  text.Style
	name   string
	now    func() time.Time
	ticker *time.Ticker

	run        *api.TrainingRun
	epochs     map[string]int32     // by trial: its last known epoch
	epochSince map[string]time.Time // by trial: when plumb first saw that epoch
	notice     string
}

func (d *liveDisplay) ticks() <-chan time.Time { return d.ticker.C }

func (d *liveDisplay) show(s follow.Sighting) {
	d.notice = noticeOf(s, d.name)
	if run, ok := s.Object.(*api.TrainingRun); ok {
		d.run = run
		d.noteEpochs(run)
	}
	d.redraw()
}

func (d *liveDisplay) redraw() {
	width, height := d.screen.Size()
	v := view{
		run: d.run, now: d.now(), epochSince: d.epochSince, notice: d.notice,
		width: width, height: height - 1, style: d.style,
	}
	d.screen.Draw(v.lines())
}

// noteEpochs records the time for each trial whose epoch has changed.
func (d *liveDisplay) noteEpochs(run *api.TrainingRun) {
	if d.epochSince == nil {
		d.epochSince, d.epochs = map[string]time.Time{}, map[string]int32{}
	}
	for _, t := range run.Status.Trials {
		if epoch, ok := d.epochs[t.Name]; !ok || epoch != t.Epoch {
			d.epochs[t.Name], d.epochSince[t.Name] = t.Epoch, d.now()
		}
	}
}

func (d *liveDisplay) finish() {
	d.ticker.Stop()
	d.screen.Close()
}

// lineDisplay prints a line with the time for each change of the run to out. It prints plumb's own notices to errOut.
type lineDisplay struct {
	out, errOut io.Writer
	name        string
	now         func() time.Time

	run    *api.TrainingRun
	notice string
}

func (d *lineDisplay) ticks() <-chan time.Time { return nil }

func (d *lineDisplay) redraw() {}

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

// noticeOf returns plumb's own message about a sighting, which is not in the run's status, or "".
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
