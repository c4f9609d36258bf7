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

// reconciles runs a worker on the queue that controllers use, in simulated time, while send sends wakes. It returns the
// times at which the worker took each run, from the start.
func reconciles(t *testing.T, send func(wake func(run string, urgent bool))) map[string][]time.Duration {
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
		send(func(run string, urgent bool) {
			w := ingest.Wake{Run: types.NamespacedName{Namespace: "lab", Name: run}, Urgent: urgent}
			wake(t.Context(), event.TypedGenericEvent[ingest.Wake]{Object: w}, q)
		})
		time.Sleep(time.Minute) // so that delayed requests come as well
		q.ShutDown()
		<-ended
	})
	return taken
}

// The trials of many runs report progress all the time. A run is reconciled for its progress, but not for each report.
func TestProgressIsGathered(t *testing.T) {
	const each, long = 100 * time.Millisecond, time.Minute
	taken := reconciles(t, func(wake func(string, bool)) {
		for now := time.Duration(0); now < long; now += each {
			wake("a", false)
			if now < time.Second {
				wake("b", false)
			}
			time.Sleep(each)
		}
	})
	if n := len(taken["b"]); n != 1 || taken["b"][0] != progressEvery {
		t.Errorf("a second of progress caused %d reconciles, at %v", n, taken["b"])
	}
	a := taken["a"]
	if n, most := len(a), int(long/progressEvery); n < most-2 || n > most {
		t.Errorf("a minute of progress caused %d reconciles, want about %d", n, most)
	}
	for i := 1; i < len(a); i++ {
		if apart := a[i] - a[i-1]; apart < progressEvery || apart > progressEvery+each {
			t.Errorf("two reconciles are %s apart", apart)
		}
	}
}

// An urgent wake causes a reconcile at once, also while progress is being gathered. That reconcile serves the gathered
// progress as well.
func TestAnUrgentWakeIsServedAtOnce(t *testing.T) {
	taken := reconciles(t, func(wake func(string, bool)) {
		wake("a", true)
		time.Sleep(time.Second)
		wake("a", false)
		time.Sleep(time.Second)
		wake("a", true)
	})
	if a := taken["a"]; len(a) != 2 || a[0] != 0 || a[1] != 2*time.Second {
		t.Errorf("reconciled after %v, want at once and after 2 s", a)
	}
}
