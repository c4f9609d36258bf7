package attempt

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// A pod whose grace period ends at noon counts as lost two minutes later. From then on its Job does not count either.
func TestAPodIsLostWithItsNode(t *testing.T) {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "j", UID: "1"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "p", OwnerReferences: []metav1.OwnerReference{{UID: "1"}}, DeletionTimestamp: &metav1.Time{Time: noon},
	}}
	c := Cluster{Jobs: []*batchv1.Job{job}, Pods: []*corev1.Pod{pod}}
	all := func(map[string]string) bool { return true }
	for name, tc := range map[string]struct {
		now       time.Time
		phase     corev1.PodPhase
		remaining string
		untilLost []time.Duration
	}{
		"the grace period is over":   {noon, corev1.PodRunning, "pod p", []time.Duration{2 * time.Minute}},
		"a moment before it is lost": {noon.Add(2*time.Minute - 1), corev1.PodRunning, "pod p", []time.Duration{1}},
		"two minutes later":          {noon.Add(2 * time.Minute), corev1.PodRunning, "", nil},
		"the pod has ended":          {noon.Add(time.Minute), corev1.PodFailed, "Job j", nil},
		"an hour after it ended":     {noon.Add(time.Hour), corev1.PodFailed, "Job j", nil},
	} {
		t.Run(name, func(t *testing.T) {
			pod.Status.Phase = tc.phase
			loss := NodeLoss{Seconds: DefaultNodeLossSeconds, Now: tc.now}
			if got := c.Remaining(all, loss); got != tc.remaining {
				t.Errorf("%q remains, want %q", got, tc.remaining)
			}
			if got := c.UntilLost(all, loss); !slices.Equal(got, tc.untilLost) {
				t.Errorf("lost after %v, want %v", got, tc.untilLost)
			}
		})
	}
}

func TestBackoffDoublesUpToABound(t *testing.T) {
	for retry, want := range map[int32]time.Duration{
		0:   2 * time.Second,
		1:   2 * time.Second,
		2:   4 * time.Second,
		6:   64 * time.Second,
		7:   120 * time.Second,
		100: 120 * time.Second,
	} {
		if got := Backoff(retry); got != want {
			t.Errorf("before retry %d the wait is %s, want %s", retry, got, want)
		}
	}
}

func TestTheCauseIsFoundInALog(t *testing.T) {
	for name, tc := range map[string]struct{ log, want string }{
		"in the last line":           {"one\ntwo\n\n", "two"},
		"where a Go program panics":  {"start\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: boom"},
		"where the Go runtime fails": {"fatal error: out of memory\nmain.main()\n", "fatal error: out of memory"},
		"in an empty log":            {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := causeInLog(tc.log); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
