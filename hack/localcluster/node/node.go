package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// Node runs the pods that the scheduler has bound to it.
type Node struct {
	cluster     *cluster.Cluster
	client      kubernetes.Interface
	log         *slog.Logger
	events      record.EventRecorder
	parent      *proc.Parent
	allocatable corev1.ResourceList
	synced      atomic.Bool

	mu   sync.Mutex
	pods map[types.UID]*worker
}

// Run runs the node until ctx ends. Then it kills the pods' processes and does not write
// their status; the next node marks these pods as Failed.
func Run(ctx context.Context, c *cluster.Cluster, log *slog.Logger) error {
	// Pods' processes may have outlived the node before this one, if somebody killed the
	// supervisor and the node at the same time.
	if err := proc.KillMarked(c.PodMarker()); err != nil {
		return err
	}
	client, _, err := cluster.Client(c.ComponentKubeconfig("kubelet"))
	if err != nil {
		return err
	}
	parent, err := proc.NewParent()
	if err != nil {
		return err
	}
	self, err := describeNode(c)
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.CoreV1().Events("")})
	from := corev1.EventSource{Component: "kubelet", Host: cluster.NodeName}
	n := &Node{
		cluster:     c,
		client:      client,
		log:         log,
		parent:      parent,
		allocatable: self.Status.Allocatable,
		events:      broadcaster.NewRecorder(scheme.Scheme, from),
		pods:        map[types.UID]*worker{},
	}
	if err := n.serve(ctx); err != nil {
		return err
	}
	go n.watchPods(ctx)
	n.keepRegistered(ctx, self) // returns when ctx ends
	n.killAll()
	return proc.KillMarked(c.PodMarker())
}

// watchPods watches this node's pods at the API server and passes every change to the pod's
// worker.
func (n *Node) watchPods(ctx context.Context) {
	lw := cache.NewListWatchFromClient(n.client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll,
		fields.OneTermEqualSelector("spec.nodeName", cluster.NodeName))
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw, ObjectType: &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { n.podChanged(ctx, o.(*corev1.Pod)) },
			UpdateFunc: func(before, after any) {
				if old, pod := before.(*corev1.Pod), after.(*corev1.Pod); old.UID != pod.UID {
					n.podGone(old) // deleted and created again while the watch was interrupted
				}
				n.podChanged(ctx, after.(*corev1.Pod))
			},
			DeleteFunc: func(o any) {
				if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
					o = unknown.Obj
				}
				n.podGone(o.(*corev1.Pod))
			},
		},
	})
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			n.removeLeftoverDirs(store)
			n.synced.Store(true)
		}
	}()
	informer.RunWithContext(ctx)
}

// podChanged starts a worker for a new pod, and passes a known pod to its worker.
func (n *Node) podChanged(ctx context.Context, pod *corev1.Pod) {
	n.mu.Lock()
	w := n.pods[pod.UID]
	n.mu.Unlock()
	if w != nil {
		w.update(pod)
		return
	}
	reason, message := n.admit(pod)
	w = newWorker(n, pod)
	if err := os.MkdirAll(filepath.Join(w.dir, "containers"), 0o700); err != nil {
		n.log.Error("make the pod's directory", "pod", w.name(), "err", err)
		reason, message = "NodeStorage", err.Error()
	}
	for _, c := range w.containers {
		if err := os.MkdirAll(c.dir, 0o700); err != nil {
			reason, message = "NodeStorage", err.Error()
		}
	}
	n.mu.Lock()
	n.pods[pod.UID] = w
	n.mu.Unlock()
	w.update(pod) // somebody may have deleted the pod already
	n.log.Info("pod", "pod", w.name(), "uid", pod.UID)
	go func() {
		w.run(ctx, reason, message)
		if ctx.Err() != nil {
			return
		}
		n.mu.Lock()
		delete(n.pods, pod.UID)
		n.mu.Unlock()
		if err := os.RemoveAll(w.dir); err != nil {
			n.log.Error("remove the pod's directory", "pod", w.name(), "err", err)
		}
	}()
}

// admit returns why a pod cannot run on this node. The reason is empty if the pod can run.
func (n *Node) admit(pod *corev1.Pod) (reason, message string) {
	if all := refusals(pod); len(all) > 0 {
		return reasonUnsupported, "the containers of this node are local processes, which do not support: " +
			strings.Join(all, "; ")
	}
	return misfit(pod, n.activePods(), n.allocatable)
}

// podGone ends the worker of a pod that the API server no longer has.
func (n *Node) podGone(pod *corev1.Pod) {
	n.mu.Lock()
	w := n.pods[pod.UID]
	n.mu.Unlock()
	if w != nil {
		w.vanished()
	}
}

// removeLeftoverDirs removes the directories of pods that are not in known: they were
// deleted while no node ran.
func (n *Node) removeLeftoverDirs(known cache.Store) {
	uids := map[string]bool{}
	for _, o := range known.List() {
		uids[string(o.(*corev1.Pod).UID)] = true
	}
	entries, _ := os.ReadDir(n.cluster.Path("node", "pods"))
	for _, e := range entries {
		if !uids[e.Name()] {
			_ = os.RemoveAll(n.cluster.Path("node", "pods", e.Name()))
		}
	}
}

func (n *Node) podDir(pod *corev1.Pod) string { return n.cluster.Path("node", "pods", string(pod.UID)) }

// activePods returns the pods that have not ended; these hold resources.
func (n *Node) activePods() []*corev1.Pod {
	var all []*corev1.Pod
	for _, w := range n.workers() {
		pod := w.current()
		if !w.isOver() && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			all = append(all, pod)
		}
	}
	return all
}

// find returns the worker of the pod with this name, or nil. If two pods have the name, one
// of them being deleted, find returns that of the newer pod.
func (n *Node) find(namespace, name string) *worker {
	var found *worker
	for _, w := range n.workers() {
		if w.namespace == namespace && w.podName == name &&
			(found == nil || found.current().CreationTimestamp.Before(&w.current().CreationTimestamp)) {
			found = w
		}
	}
	return found
}

func (n *Node) workers() []*worker {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*worker, 0, len(n.pods))
	for _, w := range n.pods {
		all = append(all, w)
	}
	return all
}

func (n *Node) killAll() {
	for _, w := range n.workers() {
		w.killAll()
	}
}

// sleep blocks for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
