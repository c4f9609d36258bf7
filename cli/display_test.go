package main

import (
	"bytes"
	"testing"
	"time"
)

func TestTimeLeftIsCountedDown(t *testing.T) {
	run := readRun(t, "running") // d101 needs the most: 96 seconds
	d := &liveDisplay{screen: &screen{out: &bytes.Buffer{}, size: func() (int, int) { return 140, 40 }}, style: style{glyphs: unicodeGlyphs}, now: func() time.Time { return noon }}
	d.show(sighting{object: run})
	v := runView{run: run, seen: d.seen, now: noon.Add(20 * time.Second)}
	trial := *findTrial(run, "d101")
	if got, _ := v.left(trial); got != 76*time.Second {
		t.Errorf("20 s after the epoch was seen %s are left, want 1m16s", got)
	}
	v.now = noon.Add(time.Hour)
	if got, _ := v.left(trial); got != 0 {
		t.Errorf("an hour later %s are left, want 0", got)
	}
}
