package node

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// vanished is told when the API server has the pod no more, whatever still runs.
func (w *worker) vanished() {
	w.stop(2 * time.Second)
	close(w.gone)
}

// stop ends the containers: SIGTERM now, SIGKILL when the grace is over. Of a second
// call only a shorter grace matters: a program must not be told twice, since many take
// the second SIGTERM for impatience.
func (w *worker) stop(grace time.Duration) {
	w.mu.Lock()
	first := !isClosed(w.stopping)
	if !first && grace >= w.grace {
		w.mu.Unlock()
		return
	}
	w.grace = grace
	if first {
		close(w.stopping)
	}
	w.mu.Unlock()
	for _, c := range w.containers {
		p := c.process()
		switch {
		case p == nil:
		case first:
			w.event(corev1.EventTypeNormal, "Killing", "Stopping container "+c.spec.Name)
			p.terminate(grace)
		default:
			p.killAfter(grace)
		}
	}
}

// armDeadline ends the pod when activeDeadlineSeconds are over.
func (w *worker) armDeadline() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadline != nil {
		w.deadline.Stop()
	}
	limit := w.pod.Spec.ActiveDeadlineSeconds
	if limit == nil || w.facts.over {
		return
	}
	left := time.Until(w.facts.started.Add(time.Duration(*limit) * time.Second))
	grace := graceOf(w.pod)
	w.deadline = time.AfterFunc(max(left, 0), func() {
		w.fail(reasonDeadline, "Pod was active on the node longer than the specified deadline")
		w.stop(grace)
	})
}

func (w *worker) killAll() {
	for _, c := range w.containers {
		if p := c.process(); p != nil {
			p.killAfter(0)
		}
	}
}

// graceOf is how long a pod's containers may take to end.
func graceOf(pod *corev1.Pod) time.Duration {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	if s := pod.DeletionGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return time.Duration(seconds) * time.Second
}
