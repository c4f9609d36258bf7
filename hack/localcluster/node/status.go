package node

import (
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of pods that the node itself ended.
const (
	// reasonNodeRestarted is the reason of a pod that ran when the node ended.
	reasonNodeRestarted  = "NodeRestarted"
	messageNodeRestarted = "the node was stopped or killed while the pod ran; the pod's processes ended with the node"
	reasonDeadline       = "DeadlineExceeded"
)

// loopback is the address of every pod and of the node.
const loopback = "127.0.0.1"

// facts holds what a worker knows of its pod. podStatus computes the status from it.
type facts struct {
	started metav1.Time
	// inits and mains are the statuses of the init containers and of the others, in the
	// order of the pod's spec.
	inits, mains []corev1.ContainerStatus
	// over says that no container runs and none will start.
	over bool
	// reason and message say why the node ended or refused the pod. Both are empty if the
	// node did neither.
	reason, message string
}

// podStatus returns the status to write. It keeps the conditions that others set
// (PodScheduled, DisruptionTarget, readiness gates) from the pod's status.
func podStatus(pod *corev1.Pod, f facts, now metav1.Time) corev1.PodStatus {
	st := *pod.Status.DeepCopy()
	st.ObservedGeneration = pod.Generation
	st.HostIP, st.HostIPs = loopback, []corev1.HostIP{{IP: loopback}}
	st.PodIP, st.PodIPs = loopback, []corev1.PodIP{{IP: loopback}}
	st.StartTime = &f.started
	st.InitContainerStatuses, st.ContainerStatuses = f.inits, f.mains
	st.Phase = phase(f)
	st.Reason, st.Message = f.reason, f.message

	initialized := f.reason == "" && allSucceeded(f.inits)
	ready := initialized && !f.over
	for _, c := range f.mains {
		ready = ready && c.Ready
	}
	readyAndGates := ready
	for _, g := range pod.Spec.ReadinessGates {
		readyAndGates = readyAndGates && conditionTrue(st.Conditions, g.ConditionType)
	}
	set := func(t corev1.PodConditionType, ok bool, reason string) {
		c := corev1.PodCondition{
			Type:               t,
			Status:             corev1.ConditionFalse,
			Reason:             reason,
			LastTransitionTime: now,
			ObservedGeneration: pod.Generation,
		}
		if ok {
			c.Status, c.Reason = corev1.ConditionTrue, ""
		}
		st.Conditions = setCondition(st.Conditions, c)
	}
	notReady := "ContainersNotReady"
	switch st.Phase {
	case corev1.PodSucceeded:
		notReady = "PodCompleted"
	case corev1.PodFailed:
		notReady = "PodFailed"
	}
	set(corev1.PodReadyToStartContainers, !f.over, "")
	set(corev1.PodInitialized, initialized || st.Phase == corev1.PodSucceeded, "ContainersNotInitialized")
	set(corev1.ContainersReady, ready, notReady)
	set(corev1.PodReady, readyAndGates, notReady)
	if f.reason == reasonNodeRestarted {
		// The pod did not cause its end: Jobs and operators may retry without counting a failure.
		st.Conditions = setCondition(st.Conditions, corev1.PodCondition{
			Type:               corev1.DisruptionTarget,
			Status:             corev1.ConditionTrue,
			Reason:             reasonNodeRestarted,
			Message:            f.message,
			LastTransitionTime: now,
			ObservedGeneration: pod.Generation,
		})
	}
	return st
}

// phase returns the pod's phase by the kubelet's rules: a pod is Pending until every
// container has started once.
func phase(f facts) corev1.PodPhase {
	if f.over {
		if f.reason == "" && allSucceeded(f.inits) && allSucceeded(f.mains) {
			return corev1.PodSucceeded
		}
		return corev1.PodFailed
	}
	if !allSucceeded(f.inits) {
		return corev1.PodPending
	}
	for _, c := range f.mains {
		if c.State.Running == nil && c.State.Terminated == nil && c.LastTerminationState.Terminated == nil {
			return corev1.PodPending
		}
	}
	return corev1.PodRunning
}

func allSucceeded(all []corev1.ContainerStatus) bool {
	for _, c := range all {
		if c.State.Terminated == nil || c.State.Terminated.ExitCode != 0 {
			return false
		}
	}
	return true
}

func conditionTrue(all []corev1.PodCondition, t corev1.PodConditionType) bool {
	for _, c := range all {
		if c.Type == t {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// setCondition adds or replaces a condition. If the status is the same as before, it keeps
// the time of the last transition.
func setCondition(all []corev1.PodCondition, c corev1.PodCondition) []corev1.PodCondition {
	for i := range all {
		if all[i].Type == c.Type {
			if all[i].Status == c.Status {
				c.LastTransitionTime = all[i].LastTransitionTime
			}
			all[i] = c
			return all
		}
	}
	return append(all, c)
}

// waitingStatuses returns the statuses of containers that have not started.
func waitingStatuses(containers []corev1.Container, reason string) []corev1.ContainerStatus {
	all := make([]corev1.ContainerStatus, len(containers))
	for i, c := range containers {
		started := false
		all[i] = corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Started: &started,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}},
		}
	}
	return all
}

// lostStatuses returns the statuses of the containers of a pod that ran when the node ended.
// last holds the statuses that the API server has. A container that had not ended by then
// has ended now, with the exit code of SIGKILL.
func lostStatuses(
	containers []corev1.Container, last []corev1.ContainerStatus, now metav1.Time,
) []corev1.ContainerStatus {
	known := map[string]corev1.ContainerStatus{}
	for _, c := range last {
		known[c.Name] = c
	}
	all := waitingStatuses(containers, "")
	for i := range all {
		if c, ok := known[all[i].Name]; ok {
			all[i] = c
		}
		if all[i].State.Terminated != nil {
			continue
		}
		end := &corev1.ContainerStateTerminated{
			ExitCode:    137,
			Reason:      reasonNodeRestarted,
			FinishedAt:  now,
			ContainerID: all[i].ContainerID,
		}
		if r := all[i].State.Running; r != nil {
			end.StartedAt = r.StartedAt
		}
		started := false
		all[i].State = corev1.ContainerState{Terminated: end}
		all[i].Ready, all[i].Started = false, &started
	}
	return all
}

// terminatedState describes how one run of a container ended.
func terminatedState(p *process, id, message string) *corev1.ContainerStateTerminated {
	reason := "Completed"
	if p.exitCode != 0 {
		reason = "Error"
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: p.exitCode, Reason: reason, Message: message, ContainerID: id,
		StartedAt: metav1.NewTime(p.started), FinishedAt: metav1.NewTime(p.finished),
	}
}

func containerDir(podDir, name string) string { return filepath.Join(podDir, "containers", name) }
