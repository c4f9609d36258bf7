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
		now:    func() time.Time { return clustertest.Now },
	}
	d.show(follow.Sighting{Object: run})
	v := view{run: run, epochSince: d.epochSince, now: clustertest.Now.Add(20 * time.Second)}
	trial := *runstate.FindTrial(run, "d101")
	if got, _ := v.timeLeft(trial); got != 76*time.Second {
		t.Errorf("20 s after the epoch was seen the time left is %s, want 1m16s", got)
	}
	v.now = clustertest.Now.Add(time.Hour)
	if got, _ := v.timeLeft(trial); got != 0 {
		t.Errorf("an hour later the time left is %s, want 0", got)
	}
}
