package main

import (
	"fmt"
	"strings"
)

// progressBar is one line on a terminal; elsewhere it is silent.
type progressBar struct {
	screen *screen // nil: nothing is shown
	style  style
	what   string
	shown  string
}

func newProgressBar(streams *ioStreams, what string) *progressBar {
	return &progressBar{screen: streams.screenOn(streams.ErrOut), style: streams.style, what: what}
}

// show draws done of total, when that looks different from before.
func (b *progressBar) show(done, total int) {
	if b.screen == nil {
		return
	}
	const cells = 30
	full := string(b.style.bar[len(b.style.bar)-1])
	empty := string(b.style.bar[0])
	part := done * cells / total
	counts := fmt.Sprintf("%3d %%", 100*done/total)
	l := fmt.Sprintf("%s  %s%s  %s", b.what, strings.Repeat(full, part), strings.Repeat(empty, cells-part), counts)
	if l == b.shown {
		return
	}
	b.shown = l
	width, _ := b.screen.size()
	b.screen.draw([]string{truncate(l, width-1, b.style.cut)})
}

// close takes the bar away: what follows says how it ended.
func (b *progressBar) close() {
	if b.shown != "" {
		b.screen.draw(nil)
		b.screen.close()
	}
}
