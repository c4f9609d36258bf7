package node

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/util/pod"
)

// writeStatuses writes the pod's status after every change, until ctx ends. It returns once
// it has written the status of the ended pod, or once the pod no longer exists.
func (w *worker) writeStatuses(ctx context.Context) {
	defer close(w.statusFinal)
	pause := 200 * time.Millisecond
	for {
		select {
		case <-w.dirty:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		over := w.facts.over
		w.mu.Unlock()
		err := w.writeStatus(ctx)
		switch {
		case err == nil && over, apierrors.IsNotFound(err):
			return
		case err == nil:
			pause = 200 * time.Millisecond
		case ctx.Err() == nil:
			w.node.log.Warn("write pod status", "pod", w.name(), "err", err)
			time.AfterFunc(pause, w.changed)
			pause = min(2*pause, 5*time.Second)
		}
	}
}

// writeStatus writes the status once.
func (w *worker) writeStatus(ctx context.Context) error {
	pods := w.node.client.CoreV1().Pods(w.namespace)
	now, err := pods.Get(ctx, w.podName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if now.UID != w.uid {
		return apierrors.NewNotFound(corev1.Resource("pods"), w.podName)
	}
	w.mu.Lock()
	st := podStatus(now, w.snapshot(), metav1.Now())
	w.mu.Unlock()
	_, _, _, err = podutil.PatchPodStatus(ctx, w.node.client, now.Namespace, now.Name, now.UID, now.Status, st)
	if err != nil {
		return fmt.Errorf("patch status: %w", err)
	}
	return nil
}

// snapshot returns a deep copy of the facts. The caller holds w.mu.
func (w *worker) snapshot() facts {
	f := w.facts
	clone := func(all []corev1.ContainerStatus) []corev1.ContainerStatus {
		out := make([]corev1.ContainerStatus, len(all))
		for i := range all {
			all[i].DeepCopyInto(&out[i])
			if last := out[i].LastTerminationState.Terminated; f.over && out[i].State.Waiting != nil && last != nil {
				// The container was waiting for a restart that will not come any more.
				out[i].State = corev1.ContainerState{Terminated: last}
				out[i].LastTerminationState = corev1.ContainerState{}
			}
		}
		return out
	}
	f.inits, f.mains = clone(f.inits), clone(f.mains)
	return f
}

// leave waits until somebody deletes the pod. Then it deletes the pod with a grace period of 0, by which the API server
// knows that all processes have ended and that it can remove the object. leave repeats this until the watch shows that
// the pod is gone. An answer is not enough: finalizers may keep the pod for a while, and an API server that has just
// started answers "not found" for a pod that it has not read yet.
func (w *worker) leave(ctx context.Context) {
	select {
	case <-w.deleting:
	case <-w.gone:
		return
	case <-ctx.Done():
		return
	}
	for {
		now, pause := int64(0), leaveAgain
		err := w.node.client.CoreV1().Pods(w.namespace).Delete(ctx, w.podName, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &w.uid},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			pause = leaveRetry
		}
		select {
		case <-time.After(pause):
		case <-w.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

const (
	// leaveAgain is how long leave waits after an answer of the API server; it is the
	// kubelet's period.
	leaveAgain = 10 * time.Second
	// leaveRetry is how long leave waits after an error.
	leaveRetry = 200 * time.Millisecond
)
