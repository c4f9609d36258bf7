package controller

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"plumbline.dev/plumbline/operator/ingest"
)

// looks has a worker take runs from the queue that controllers have, in made-up time, and returns when it took each.
func looks(t *testing.T, tell func(wake func(run string, urgent bool))) map[string][]time.Duration {
	taken := map[string][]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		q := priorityqueue.New[reconcile.Request]("wake")
		begin, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			for {
				r, shutdown := q.Get()
				if shutdown {
					return
				}
				taken[r.Name] = append(taken[r.Name], time.Since(begin))
				q.Done(r)
			}
		}()
		tell(func(run string, urgent bool) {
			wake(t.Context(), event.TypedGenericEvent[ingest.Wake]{Object: ingest.Wake{Run: types.NamespacedName{Namespace: "lab", Name: run}, Urgent: urgent}}, q)
		})
		time.Sleep(time.Minute) // what is late comes too
		q.ShutDown()
		<-ended
	})
	return taken
}

// Five trials of a hundred runs tell of progress all the time: a run's status follows, but not report by report.
func TestProgressIsGathered(t *testing.T) {
	const each, long = 100 * time.Millisecond, time.Minute
	taken := looks(t, func(wake func(string, bool)) {
		for now := time.Duration(0); now < long; now += each {
			wake("a", false)
			if now < time.Second {
				wake("b", false)
			}
			time.Sleep(each)
		}
	})
	if n := len(taken["b"]); n != 1 || taken["b"][0] != progressEvery {
		t.Errorf("a second of progress is looked at %d times, at %v", n, taken["b"])
	}
	a := taken["a"]
	if n, most := len(a), int(long/progressEvery); n < most-2 || n > most {
		t.Errorf("a minute of progress is looked at %d times, want about %d", n, most)
	}
	for i := 1; i < len(a); i++ {
		if apart := a[i] - a[i-1]; apart < progressEvery || apart > progressEvery+each {
			t.Errorf("two looks are %s apart", apart)
		}
	}
}

// A new best, a first report and an end are looked at at once, also while progress is being gathered; that is looked at
// with them.
func TestATurnIsLookedAtAtOnce(t *testing.T) {
	taken := looks(t, func(wake func(string, bool)) {
		wake("a", true)
		time.Sleep(time.Second)
		wake("a", false)
		time.Sleep(time.Second)
		wake("a", true)
	})
	if a := taken["a"]; len(a) != 2 || a[0] != 0 || a[1] != 2*time.Second {
		t.Errorf("looked at after %v, want at once and after 2 s", a)
	}
}
