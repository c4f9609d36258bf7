package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// worker carries one pod from its volumes to its last status. Nothing of a pod
// survives the node: one that had started when the node ended is reported lost.
type worker struct {
	node *Node
	// The pod's identity never changes; pod, below, does.
	namespace, podName string
	uid                types.UID

	dir string // STATE/node/pods/UID
	// marker is what every process of the pod carries.
	marker string

	mu         sync.Mutex
	pod        *corev1.Pod // as the API server last gave it
	facts      facts
	containers []*container
	deadline   *time.Timer
	grace      time.Duration // of the last stop

	dirty   chan struct{} // the status may have changed; holds one
	refresh chan struct{} // volumes may have changed; holds one
	// stopping is closed when the pod shall end, deleting when somebody has deleted it,
	// gone when the API server has it no more.
	stopping, deleting, gone chan struct{}
	// reported is closed when the last status is written, or cannot be any more.
	reported chan struct{}
}

func newWorker(n *Node, pod *corev1.Pod) *worker {
	w := &worker{
		node: n, pod: pod,
		namespace: pod.Namespace, podName: pod.Name, uid: pod.UID,
		dir:      n.podDir(pod),
		marker:   n.cluster.PodMarker(string(pod.UID)),
		dirty:    make(chan struct{}, 1),
		refresh:  make(chan struct{}, 1),
		stopping: make(chan struct{}),
		deleting: make(chan struct{}),
		gone:     make(chan struct{}),
		reported: make(chan struct{}),
	}
	w.facts.started = metav1.Now()
	if t := pod.Status.StartTime; t != nil {
		w.facts.started = *t
	}
	reason := "ContainerCreating"
	if len(pod.Spec.InitContainers) > 0 {
		reason = "PodInitializing"
	}
	w.facts.inits = waitingStatuses(pod.Spec.InitContainers, reason)
	w.facts.mains = waitingStatuses(pod.Spec.Containers, reason)
	for i := range pod.Spec.InitContainers {
		w.containers = append(w.containers, newContainer(w, &pod.Spec.InitContainers[i], &w.facts.inits[i], true))
	}
	for i := range pod.Spec.Containers {
		w.containers = append(w.containers, newContainer(w, &pod.Spec.Containers[i], &w.facts.mains[i], false))
	}
	return w
}

// run is the pod's life. It returns when the API server has the pod no more.
func (w *worker) run(ctx context.Context, refused, refusedWhy string) {
	if phase := w.current().Status.Phase; phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		w.mu.Lock()
		w.facts.over = true
		w.mu.Unlock()
		close(w.reported)
	} else {
		go w.report(ctx)
		switch {
		case w.hasStarted():
			w.fail(reasonNodeRestarted, messageNodeRestarted)
			w.lose()
		case refused != "":
			w.event(corev1.EventTypeWarning, refused, refusedWhy)
			w.fail(refused, refusedWhy)
		default:
			w.live(ctx)
		}
		w.mu.Lock()
		w.facts.over = true
		w.mu.Unlock()
		w.changed()
	}
	select {
	case <-w.reported:
	case <-ctx.Done():
		return
	}
	_ = os.RemoveAll(filepath.Join(w.dir, "volumes")) // claims are no part of it; logs stay until the pod goes
	w.leave(ctx)
}

// live makes the volumes and runs the containers until nothing is left to do.
func (w *worker) live(ctx context.Context) {
	w.armDeadline()
	w.changed()
	pod := w.current()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	vols := &volumes{client: w.node.client, dir: filepath.Join(w.dir, "volumes"), allocatable: w.node.allocatable, issued: map[string]issuedToken{}}
	watchSources(ctx, w.node.client, pod, w.volumesChanged)
	real, ok := w.prepare(ctx, vols)
	if !ok {
		return
	}
	go w.keepFresh(ctx, vols)
	for _, c := range w.containers {
		c.place(real)
	}
	for _, c := range w.containers {
		if c.init && !c.run(ctx) {
			return
		}
	}
	w.mu.Lock()
	for _, c := range w.containers {
		if !c.init && c.status.State.Waiting != nil {
			c.status.State.Waiting.Reason = "ContainerCreating"
		}
	}
	w.mu.Unlock()
	var running sync.WaitGroup
	for _, c := range w.containers {
		if !c.init {
			running.Go(func() { c.run(ctx) })
		}
	}
	running.Wait()
}

// prepare makes the volumes, trying again until it can or the pod shall end.
func (w *worker) prepare(ctx context.Context, vols *volumes) (map[string]string, bool) {
	last := ""
	for {
		real, err := vols.prepare(ctx, w.current())
		if err == nil {
			return real, true
		}
		if err.Error() != last {
			last = err.Error()
			w.event(corev1.EventTypeWarning, "FailedMount", last)
		}
		select {
		case <-w.refresh:
		case <-time.After(time.Second): // a claim or a service account tells nobody when it comes
		case <-w.stopping:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// keepFresh rewrites the volumes when their sources change and tokens grow old.
func (w *worker) keepFresh(ctx context.Context, vols *volumes) {
	last := ""
	for {
		var renewal <-chan time.Time
		if at := vols.nextRenewal(); !at.IsZero() {
			renewal = time.After(max(time.Until(at), time.Second))
		}
		select {
		case <-w.refresh:
		case <-renewal:
		case <-ctx.Done():
			return
		}
		err := vols.refresh(ctx, w.current())
		if err != nil && ctx.Err() == nil && err.Error() != last {
			w.event(corev1.EventTypeWarning, "FailedMount", err.Error())
		}
		if last = ""; err != nil {
			last = err.Error()
			time.AfterFunc(5*time.Second, w.volumesChanged) // the API server may be away
		}
	}
}

// update takes the pod as the API server has it now.
func (w *worker) update(pod *corev1.Pod) {
	w.mu.Lock()
	before := w.pod
	w.pod = pod
	w.mu.Unlock()
	if pod.DeletionTimestamp != nil {
		if !isClosed(w.deleting) {
			close(w.deleting)
		}
		w.stop(graceOf(pod))
	}
	if !equalDeadlines(before, pod) {
		w.armDeadline()
	}
	if !sameMeta(before, pod) {
		w.volumesChanged() // labels and annotations may be in a downwardAPI volume
	}
	if !slices.Equal(gateStates(before), gateStates(pod)) {
		w.changed()
	}
}

// fail records why the node itself ends the pod; the first reason stays.
func (w *worker) fail(reason, message string) {
	w.mu.Lock()
	if w.facts.reason == "" && !w.facts.over {
		w.facts.reason, w.facts.message = reason, message
	}
	w.mu.Unlock()
	w.changed()
}

// lose takes the containers for ended, after the node itself had ended.
func (w *worker) lose() {
	now := metav1.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts.inits = lostStatuses(w.pod.Spec.InitContainers, w.pod.Status.InitContainerStatuses, now)
	w.facts.mains = lostStatuses(w.pod.Spec.Containers, w.pod.Status.ContainerStatuses, now)
}

// startedFile says that a process of this pod was started, for the node after this one.
func (w *worker) startedFile() string { return filepath.Join(w.dir, "started") }

func (w *worker) hasStarted() bool {
	_, err := os.Stat(w.startedFile())
	return err == nil
}

func (w *worker) markStarted() error {
	return os.WriteFile(w.startedFile(), []byte(w.name()+"\n"), 0o600)
}

func (w *worker) current() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod
}

func (w *worker) name() string { return w.namespace + "/" + w.podName }

func (w *worker) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts.over
}

func (w *worker) changed()        { signal(w.dirty) }
func (w *worker) volumesChanged() { signal(w.refresh) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *worker) event(kind, reason, message string) {
	w.node.events.Event(w.current(), kind, reason, message)
}

func equalDeadlines(a, b *corev1.Pod) bool {
	x, y := a.Spec.ActiveDeadlineSeconds, b.Spec.ActiveDeadlineSeconds
	return x == nil && y == nil || x != nil && y != nil && *x == *y
}

func sameMeta(a, b *corev1.Pod) bool {
	return fmt.Sprint(a.Labels, a.Annotations) == fmt.Sprint(b.Labels, b.Annotations) // maps print in order
}

// gateStates are the conditions that others set and readiness waits for.
func gateStates(pod *corev1.Pod) []string {
	var all []string
	for _, g := range pod.Spec.ReadinessGates {
		for _, c := range pod.Status.Conditions {
			if c.Type == g.ConditionType {
				all = append(all, strings.Join([]string{string(c.Type), string(c.Status)}, "="))
			}
		}
	}
	return all
}
