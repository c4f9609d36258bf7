package node

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPhase(t *testing.T) {
	waits := corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}
	runs := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	ended := func(code int32) corev1.ContainerStatus {
		terminated := &corev1.ContainerStateTerminated{ExitCode: code}
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: terminated}}
	}
	crashed := waits
	crashed.LastTerminationState = ended(1).State
	type all = []corev1.ContainerStatus
	for name, tc := range map[string]struct {
		facts facts
		want  corev1.PodPhase
	}{
		"nothing has started": {
			facts: facts{mains: all{waits}},
			want:  corev1.PodPending,
		},
		"one of two has started": {
			facts: facts{mains: all{runs, waits}},
			want:  corev1.PodPending,
		},
		"all run": {
			facts: facts{mains: all{runs, runs}},
			want:  corev1.PodRunning,
		},
		"one waits to be restarted": {
			facts: facts{mains: all{runs, crashed}},
			want:  corev1.PodRunning,
		},
		"an init container runs": {
			facts: facts{inits: all{runs}, mains: all{waits}},
			want:  corev1.PodPending,
		},
		"all succeeded": {
			facts: facts{inits: all{ended(0)}, mains: all{ended(0)}, over: true},
			want:  corev1.PodSucceeded,
		},
		"one failed": {
			facts: facts{mains: all{ended(0), ended(2)}, over: true},
			want:  corev1.PodFailed,
		},
		"an init container failed": {
			facts: facts{inits: all{ended(1)}, mains: all{waits}, over: true},
			want:  corev1.PodFailed,
		},
		"refused before anything started": {
			facts: facts{mains: all{waits}, over: true, reason: reasonUnsupported},
			want:  corev1.PodFailed,
		},
		"succeeded, but after the pod's deadline": {
			facts: facts{mains: all{ended(0)}, over: true, reason: reasonDeadline},
			want:  corev1.PodFailed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := phase(tc.facts); got != tc.want {
				t.Errorf("phase %s, want %s", got, tc.want)
			}
		})
	}
}

func TestPodsThatRanWhenTheNodeEndedAreFailed(t *testing.T) {
	pod := podFrom(t, `
metadata: {name: p, uid: u}
spec: {containers: [{name: done}, {name: ran}, {name: unknown}]}
status:
  conditions: [{type: PodScheduled, status: "True"}]
  containerStatuses:
  - {name: done, state: {terminated: {exitCode: 0, reason: Completed}}}
  - {name: ran, ready: true, state: {running: {startedAt: "2026-01-01T00:00:00Z"}}}
`)
	now := metav1.NewTime(time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC))
	st := podStatus(pod, facts{
		mains: lostStatuses(pod.Spec.Containers, pod.Status.ContainerStatuses, now),
		over:  true, reason: reasonNodeRestarted, message: messageNodeRestarted,
	}, now)
	if st.Phase != corev1.PodFailed || st.Reason != reasonNodeRestarted {
		t.Errorf("phase %s, reason %s", st.Phase, st.Reason)
	}
	if !conditionTrue(st.Conditions, corev1.DisruptionTarget) || !conditionTrue(st.Conditions, corev1.PodScheduled) {
		t.Errorf("conditions %+v: want DisruptionTarget, and PodScheduled kept", st.Conditions)
	}
	for i, want := range []int32{0, 137, 137} {
		end := st.ContainerStatuses[i].State.Terminated
		if end == nil || end.ExitCode != want || st.ContainerStatuses[i].Ready {
			t.Errorf("container %s: %+v, want it not ready and terminated with %d",
				st.ContainerStatuses[i].Name, st.ContainerStatuses[i], want)
		}
	}
	if started := st.ContainerStatuses[1].State.Terminated.StartedAt; started.Hour() != 0 {
		t.Errorf("a container that was killed with the node started at %s, want the time in its old status", started)
	}
}
