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

// worker runs one pod, from its volumes to its last status. No process of a pod outlives the
// node: a pod that ran when the node ended becomes Failed.
type worker struct {
	node *Node
	// These three identify the pod and never change; the field pod, below, does.
	namespace, podName string
	uid                types.UID

	dir string // STATE/node/pods/UID
	// marker is the prefix of proc.MarkerVar that every process of the pod has.
	marker string

	mu         sync.Mutex
	pod        *corev1.Pod // the newest version from the API server
	facts      facts
	containers []*container
	deadline   *time.Timer
	grace      time.Duration // the shortest grace period that stop was called with

	dirty   chan struct{} // has an element while a change of the status waits to be written
	refresh chan struct{} // has an element while a change of the volumes waits to be written
	// stopping is closed when the pod must end, deleting when somebody has deleted it, and
	// gone when the API server no longer has it.
	stopping, deleting, gone chan struct{}
	// statusFinal is closed when the last status has been written or the pod does not exist
	// any more.
	statusFinal chan struct{}
}

func newWorker(n *Node, pod *corev1.Pod) *worker {
	w := &worker{
		node: n, pod: pod,
		namespace: pod.Namespace, podName: pod.Name, uid: pod.UID,
		dir:         n.podDir(pod),
		marker:      n.cluster.PodMarker(string(pod.UID)),
		dirty:       make(chan struct{}, 1),
		refresh:     make(chan struct{}, 1),
		stopping:    make(chan struct{}),
		deleting:    make(chan struct{}),
		gone:        make(chan struct{}),
		statusFinal: make(chan struct{}),
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

// run runs the pod until it has ended, then waits until somebody deletes it. It returns when
// the API server no longer has the pod, or when ctx ends. If refused is not empty, run only
// writes a status with refused as the reason and refusedWhy as the message.
func (w *worker) run(ctx context.Context, refused, refusedWhy string) {
	if phase := w.current().Status.Phase; phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		w.mu.Lock()
		w.facts.over = true
		w.mu.Unlock()
		close(w.statusFinal)
	} else {
		go w.writeStatuses(ctx)
		switch {
		case w.hasStarted():
			w.fail(reasonNodeRestarted, messageNodeRestarted)
			w.markLost()
		case refused != "":
			w.event(corev1.EventTypeWarning, refused, refusedWhy)
			w.fail(refused, refusedWhy)
		default:
			w.runContainers(ctx)
		}
		w.mu.Lock()
		w.facts.over = true
		w.mu.Unlock()
		w.changed()
	}
	select {
	case <-w.statusFinal:
	case <-ctx.Done():
		return
	}
	// The directories of claims are elsewhere, and the logs stay until the pod is gone.
	_ = os.RemoveAll(filepath.Join(w.dir, "volumes"))
	w.leave(ctx)
}

// runContainers makes the volumes, runs the init containers in order and then the others at
// the same time. It returns when all have ended for good.
func (w *worker) runContainers(ctx context.Context) {
	w.armDeadline()
	w.changed()
	pod := w.current()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	vols := &volumes{
		client:      w.node.client,
		dir:         filepath.Join(w.dir, "volumes"),
		allocatable: w.node.allocatable,
		issued:      map[string]issuedToken{},
	}
	watchSources(ctx, w.node.client, pod, w.volumesChanged)
	dirs, ok := w.prepare(ctx, vols)
	if !ok {
		return
	}
	go w.keepFresh(ctx, vols)
	for _, c := range w.containers {
		c.resolveMounts(dirs)
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

// prepare makes the volumes and returns their directories by name. It retries until it
// succeeds or the pod must end; then ok is false.
func (w *worker) prepare(ctx context.Context, vols *volumes) (dirs map[string]string, ok bool) {
	last := ""
	for {
		dirs, err := vols.prepare(ctx, w.current())
		if err == nil {
			return dirs, true
		}
		if err.Error() != last {
			last = err.Error()
			w.event(corev1.EventTypeWarning, "FailedMount", last)
		}
		select {
		case <-w.refresh:
		case <-time.After(time.Second): // nothing watches claims and service accounts
		case <-w.stopping:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// keepFresh rewrites the volumes when their sources change and when a token must be renewed,
// until ctx ends.
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
			time.AfterFunc(5*time.Second, w.volumesChanged) // retry: the API server may be away
		}
	}
}

// update stores a new version of the pod from the API server and acts on what has changed.
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

// fail records why the node ends the pod. A reason that is recorded already stays.
func (w *worker) fail(reason, message string) {
	w.mu.Lock()
	if w.facts.reason == "" && !w.facts.over {
		w.facts.reason, w.facts.message = reason, message
	}
	w.mu.Unlock()
	w.changed()
}

// markLost marks the containers as ended. They ran when the node before this one ended.
func (w *worker) markLost() {
	now := metav1.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts.inits = lostStatuses(w.pod.Spec.InitContainers, w.pod.Status.InitContainerStatuses, now)
	w.facts.mains = lostStatuses(w.pod.Spec.Containers, w.pod.Status.ContainerStatuses, now)
}

// startedFile is the path of a file that exists once a process of this pod has started. The
// next node reads it.
func (w *worker) startedFile() string { return filepath.Join(w.dir, "started") }

func (w *worker) hasStarted() bool {
	_, err := os.Stat(w.startedFile())
	return err == nil
}

func (w *worker) markStarted() error {
	return os.WriteFile(w.startedFile(), []byte(w.name()+"\n"), 0o600)
}

// current returns the newest version of the pod.
func (w *worker) current() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod
}

func (w *worker) name() string { return w.namespace + "/" + w.podName }

// isOver reports whether the pod has ended.
func (w *worker) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts.over
}

func (w *worker) changed()        { signal(w.dirty) }
func (w *worker) volumesChanged() { signal(w.refresh) }

// signal puts an element into a channel that holds one, unless it is full.
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

// gateStates returns the conditions of the pod's readiness gates as TYPE=STATUS.
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
