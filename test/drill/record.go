package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/test/drill/judge"
)

// recorder watches one run until it is stopped. When a watch breaks, the recorder lists and watches again. It does not
// see the versions in between, and no rule is broken by a version that is missing.
type recorder struct {
	cluster *cluster
	name    string

	mu       sync.Mutex
	uid      string
	statuses []judge.Status
	pods     map[string]*recordedPod  // by uid
	events   map[string]recordedEvent // by uid
	changed  chan struct{}            // closed when the next version of the run is recorded
}

type recordedPod struct {
	judge.Pod
	alive time.Time // when its container was last seen running
	gone  bool      // whether the pod was deleted
}

type recordedEvent struct {
	judge.Event
	run string // uid of the run that the Event is about
}

// record starts a recorder. It watches until ctx is done.
func record(ctx context.Context, c *cluster, name string) *recorder {
	r := &recorder{
		cluster: c,
		name:    name,
		pods:    map[string]*recordedPod{},
		events:  map[string]recordedEvent{},
		changed: make(chan struct{}),
	}
	ofRun := client.MatchingFields{"involvedObject.kind": "TrainingRun", "involvedObject.name": name}
	go follow(ctx, c, runList(), client.MatchingFields{"metadata.name": name}, r.addRun, nil)
	go follow(ctx, c, &corev1.PodList{}, client.MatchingLabels{"plumbline.dev/run": name}, r.addPod, r.addPods)
	go follow(ctx, c, &corev1.EventList{}, ofRun, r.addEvent, nil)
	return r
}

func runList() *unstructured.UnstructuredList {
	l := &unstructured.UnstructuredList{}
	l.SetAPIVersion("plumbline.dev/v1alpha1")
	l.SetKind("TrainingRunList")
	return l
}

// follow lists and watches objects until ctx is done. It calls listed, if that is not nil, with each list, and see with
// each object that a watch shows; deleted says whether the object was deleted.
func follow(
	ctx context.Context, c *cluster, list client.ObjectList, which client.ListOption,
	see func(object any, deleted bool), listed func(client.ObjectList),
) {
	for ctx.Err() == nil {
		l := list.DeepCopyObject().(client.ObjectList)
		if err := c.client.List(ctx, l, client.InNamespace(namespace), which); err != nil {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		if listed != nil {
			listed(l)
		}
		// The watch asks for no resource version, so it starts with all objects that exist.
		w, err := c.client.Watch(ctx, l, client.InNamespace(namespace), which)
		if err != nil {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		for e := range w.ResultChan() {
			if e.Type == watch.Error || e.Type == watch.Bookmark {
				break
			}
			see(e.Object, e.Type == watch.Deleted)
		}
		w.Stop()
	}
}

func (r *recorder) addRun(o any, deleted bool) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok || deleted {
		return
	}
	s, err := decode[judge.Status](u.Object["status"])
	if err != nil {
		return
	}
	s.Seen = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uid = string(u.GetUID())
	r.statuses = append(r.statuses, s)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) addPod(o any, deleted bool) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.pods[string(p.UID)]
	if seen == nil {
		seen = &recordedPod{Pod: judge.Pod{
			UID:     string(p.UID),
			Name:    p.Name,
			Trial:   p.Labels["plumbline.dev/trial"],
			Attempt: p.Labels["plumbline.dev/attempt"],
		}}
		r.pods[seen.UID] = seen
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running != nil {
			seen.Started = s.State.Running.StartedAt.Time
			seen.alive = time.Now()
		}
		if t := s.State.Terminated; t != nil {
			seen.Started, seen.Ended, seen.ExitCode = t.StartedAt.Time, t.FinishedAt.Time, &t.ExitCode
		}
	}
	seen.gone = seen.gone || deleted
}

// addEvent replaces an Event by its newer version, which counts how often the Event was emitted.
func (r *recorder) addEvent(o any, _ bool) {
	e, ok := o.(*corev1.Event)
	if !ok {
		return
	}
	seen := recordedEvent{
		Event: judge.Event{Reason: e.Reason, Note: e.Message, Times: 1},
		run:   string(e.InvolvedObject.UID),
	}
	if e.Related != nil && e.Related.Kind == "Job" {
		seen.Job = e.Related.Name
	}
	if e.Series != nil {
		seen.Times = int(e.Series.Count)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[string(e.UID)] = seen
}

// addPods adds the pods of a list. A recorded pod that the list does not hold was deleted while no watch was open.
func (r *recorder) addPods(l client.ObjectList) {
	there := map[string]bool{} // by uid
	pods := l.(*corev1.PodList)
	for i := range pods.Items {
		there[string(pods.Items[i].UID)] = true
		r.addPod(&pods.Items[i], false)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, p := range r.pods {
		p.gone = p.gone || !there[uid]
	}
}

// last returns the newest version of the run's status, the run's uid, and a channel that is closed when a newer version
// is recorded.
func (r *recorder) last() (judge.Status, string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.statuses) == 0 {
		return judge.Status{}, "", r.changed
	}
	return r.statuses[len(r.statuses)-1], r.uid, r.changed
}

// await blocks until holds accepts the run's status, and returns true. It returns false when no new version has been
// recorded for the time limit, or ctx is done.
func (r *recorder) await(ctx context.Context, limit time.Duration, holds func(judge.Status) bool) bool {
	for {
		s, _, changed := r.last()
		if holds(s) {
			return true
		}
		t := time.NewTimer(limit)
		select {
		case <-changed:
			t.Stop()
		case <-t.C:
			return false
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

// history returns what has been recorded, together with the reports in the stream and the checkpoints on the disk.
func (r *recorder) history(ctx context.Context, store string, damaged []judge.Damage) (judge.History, error) {
	_, uid, _ := r.last()
	h := judge.History{Run: r.name, UID: uid, Damaged: damaged}
	var err error
	if h.Reports, err = readStream(ctx, r.cluster, uid); err != nil {
		return h, err
	}
	if h.Checkpoints, err = judge.ReadStore(store, uid); err != nil {
		return h, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h.Statuses = append(h.Statuses, r.statuses...)
	for _, p := range r.pods {
		if p.Ended.IsZero() && p.gone {
			p.Ended = p.alive // no watch showed the end, which was later
		}
		h.Pods = append(h.Pods, p.Pod)
	}
	for _, e := range r.events {
		if e.run == uid { // an earlier run may have had the same name
			h.Events = append(h.Events, e.Event)
		}
	}
	return h, nil
}

// stream opens the report stream as its administrator. The caller calls the function that it returns when done.
func stream(ctx context.Context, c *cluster) (jetstream.Stream, func(), error) {
	url, err := os.ReadFile(filepath.Join(c.state, "nats/url"))
	if err != nil {
		return nil, nil, err
	}
	admin := nats.UserCredentials(filepath.Join(c.state, "nats/admin.creds"))
	nc, err := nats.Connect(strings.TrimSpace(string(url)), admin)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	s, err := js.Stream(ctx, "PLUMBLINE")
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return s, nc.Close, nil
}

// readStream returns every report of a run that is in the stream.
func readStream(ctx context.Context, c *cluster, uid string) (out []judge.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, done, err := stream(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	subject := "plumbline.v1." + uid + ".>"
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return nil, err
	}
	var want uint64
	for _, n := range info.State.Subjects {
		want += n
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects:    []string{subject},
		InactiveThreshold: 5 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	for uint64(len(out)) < want {
		m, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return out, fmt.Errorf("read the stream after %d of %d reports: %w", len(out), want, err)
		}
		var r judge.Report
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			return out, fmt.Errorf("a report is not JSON: %w", err)
		}
		if meta, err := m.Metadata(); err == nil {
			r.Stream = meta.Sequence.Stream
		}
		out = append(out, r)
	}
	return out, nil
}

// decode converts a value to T by way of JSON. Fields that T does not have are dropped.
func decode[T any](from any) (T, error) {
	var out T
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}
