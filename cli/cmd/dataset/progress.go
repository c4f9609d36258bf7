package dataset

import (
	"fmt"
	"strings"

	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/text"
)

// progressBar is one line on a terminal; elsewhere it is silent.
type progressBar struct {
	screen *iostreams.Screen // nil: nothing is shown
	style  text.Style
	what   string
	shown  string
}

func newProgressBar(streams *iostreams.IOStreams, what string) *progressBar {
	return &progressBar{screen: streams.ScreenOn(streams.ErrOut), style: streams.Style, what: what}
}

// show draws done of total, when that looks different from before.
func (b *progressBar) show(done, total int) {
	if b.screen == nil {
		return
	}
	const cells = 30
	full := string(b.style.Bar[len(b.style.Bar)-1])
	empty := string(b.style.Bar[0])
	part := done * cells / total
	counts := fmt.Sprintf("%3d %%", 100*done/total)
	l := fmt.Sprintf("%s  %s%s  %s", b.what, strings.Repeat(full, part), strings.Repeat(empty, cells-part), counts)
	if l == b.shown {
		return
	}
	b.shown = l
	width, _ := b.screen.Size()
	b.screen.Draw([]string{text.Truncate(l, width-1, b.style.Cut)})
}

// finish takes the bar away: what follows says how it ended.
func (b *progressBar) finish() {
	if b.shown != "" {
		b.screen.Draw(nil)
		b.screen.Close()
	}
}
