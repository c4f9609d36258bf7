package watch

import (
	"bytes"
	"testing"
	"time"

	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/follow"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/text"
)

func TestTimeLeftIsCountedDown(t *testing.T) {
	run := clustertest.ReadRun(t, "running") // d101 needs the most: 96 seconds
	d := &liveDisplay{
		screen: iostreams.NewScreen(&bytes.Buffer{}, func() (int, int) { return 140, 40 }),
		style:  text.Style{Glyphs: text.Unicode},
		now:    func() time.Time { return clustertest.Noon },
	}
	d.show(follow.Sighting{Object: run})
	v := view{run: run, seen: d.seen, now: clustertest.Noon.Add(20 * time.Second)}
	trial := *runstate.FindTrial(run, "d101")
	if got, _ := v.left(trial); got != 76*time.Second {
		t.Errorf("20 s after the epoch was seen %s are left, want 1m16s", got)
	}
	v.now = clustertest.Noon.Add(time.Hour)
	if got, _ := v.left(trial); got != 0 {
		t.Errorf("an hour later %s are left, want 0", got)
	}
}
