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

// report writes the status after every change, and the last one for certain.
func (w *worker) report(ctx context.Context) {
	defer close(w.reported)
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

// snapshot copies the facts; w.mu is held.
func (w *worker) snapshot() facts {
	f := w.facts
	clone := func(all []corev1.ContainerStatus) []corev1.ContainerStatus {
		out := make([]corev1.ContainerStatus, len(all))
		for i := range all {
			all[i].DeepCopyInto(&out[i])
			if last := out[i].LastTerminationState.Terminated; f.over && out[i].State.Waiting != nil && last != nil {
				// It was waiting to be restarted; now it never will be.
				out[i].State, out[i].LastTerminationState = corev1.ContainerState{Terminated: last}, corev1.ContainerState{}
			}
		}
		return out
	}
	f.inits, f.mains = clone(f.inits), clone(f.mains)
	return f
}

// leave waits until the pod is to be deleted, and tells the API server that nothing of it is left, which is when it deletes it. It
// believes only the watch that the pod is gone, and says it again until then: finalizers may keep it for a while, and an API server
// that has just started says "not found" of what it has not read yet.
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

// How long leave waits after an answer, as the kubelet does, and after none.
const leaveAgain, leaveRetry = 10 * time.Second, 200 * time.Millisecond
