package dataset

import (
	"fmt"
	"strings"

	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/text"
)

// progressBar shows progress in one line on stderr, if stderr is a terminal. Otherwise it shows nothing.
type progressBar struct {
	screen *iostreams.Screen // nil: nothing is shown
	style  text.Style
	label  string // the work in progress, such as "reading ./erasers"
	shown  string // the line on the screen; empty: none
}

func newProgressBar(streams *iostreams.IOStreams, label string) *progressBar {
	return &progressBar{screen: streams.ScreenOn(streams.ErrOut), style: streams.Style, label: label}
}

// show draws the bar for done of total, if it differs from the bar on the screen.
func (b *progressBar) show(done, total int) {
	if b.screen == nil {
		return
	}
	const cells = 30
	full := string(b.style.Bar[len(b.style.Bar)-1])
	empty := string(b.style.Bar[0])
	filled := done * cells / total
	bar := strings.Repeat(full, filled) + strings.Repeat(empty, cells-filled)
	line := fmt.Sprintf("%s  %s  %3d %%", b.label, bar, 100*done/total)
	if line == b.shown {
		return
	}
	b.shown = line
	width, _ := b.screen.Size()
	b.screen.Draw([]string{text.Truncate(line, width-1, b.style.Cut)})
}

// finish removes the bar from the screen. The output of the command follows in its place.
func (b *progressBar) finish() {
	if b.shown != "" {
		b.screen.Draw(nil)
		b.screen.Close()
	}
}
