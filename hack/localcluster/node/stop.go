package node

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// vanished ends the pod when the API server no longer has it. Its containers may still run:
// somebody may have deleted the pod without a grace period.
func (w *worker) vanished() {
	w.stop(2 * time.Second)
	close(w.gone)
}

// stop ends the containers: it sends SIGTERM now, and SIGKILL when the grace period is over.
// A second call can only shorten the grace period. It never sends a second SIGTERM, because
// many programs then exit at once, without cleaning up.
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

// armDeadline sets the timer that ends the pod after its activeDeadlineSeconds.
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

// killAll sends SIGKILL to all containers.
func (w *worker) killAll() {
	for _, c := range w.containers {
		if p := c.process(); p != nil {
			p.killAfter(0)
		}
	}
}

// graceOf returns the pod's grace period: how long its containers may take to end.
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
