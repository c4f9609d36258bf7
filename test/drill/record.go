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

// recorder watches one run until it is stopped. A watch that breaks is begun again, with a list before it: versions in between are
// not seen, and nothing is judged by their absence.
type recorder struct {
	c    *cluster
	name string

	mu       sync.Mutex
	uid      string
	statuses []judge.Status
	pods     map[string]*podSeen
	events   map[string]eventSeen // by uid
	changed  chan struct{}        // closed at the next change
}

type podSeen struct {
	judge.Pod
	alive time.Time // when it was seen alive last
	gone  bool
}

type eventSeen struct {
	judge.Event
	run string // uid of the one that it is about
}

func record(ctx context.Context, c *cluster, name string) *recorder {
	r := &recorder{c: c, name: name, pods: map[string]*podSeen{}, events: map[string]eventSeen{}, changed: make(chan struct{})}
	go follow(ctx, c, runList(), client.MatchingFields{"metadata.name": name}, r.run, nil)
	go follow(ctx, c, &corev1.PodList{}, client.MatchingLabels{"plumbline.dev/run": name}, r.pod, r.podsNow)
	go follow(ctx, c, &corev1.EventList{}, client.MatchingFields{"involvedObject.kind": "TrainingRun", "involvedObject.name": name}, r.event, nil)
	return r
}

func runList() *unstructured.UnstructuredList {
	l := &unstructured.UnstructuredList{}
	l.SetAPIVersion("plumbline.dev/v1alpha1")
	l.SetKind("TrainingRunList")
	return l
}

// follow lists and watches for ever. now is told which objects a list holds.
func follow(ctx context.Context, c *cluster, list client.ObjectList, which client.ListOption, see func(any, bool), now func(client.ObjectList)) {
	for ctx.Err() == nil {
		l := list.DeepCopyObject().(client.ObjectList)
		if err := c.client.List(ctx, l, client.InNamespace(namespace), which); err != nil {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		if now != nil {
			now(l)
		}
		w, err := c.client.Watch(ctx, l, client.InNamespace(namespace), which) // replays what there is
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

func (r *recorder) run(o any, gone bool) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok || gone {
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

func (r *recorder) pod(o any, gone bool) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.pods[string(p.UID)]
	if seen == nil {
		seen = &podSeen{Pod: judge.Pod{UID: string(p.UID), Name: p.Name, Trial: p.Labels["plumbline.dev/trial"], Attempt: p.Labels["plumbline.dev/attempt"]}}
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
	seen.gone = seen.gone || gone
}

// event keeps the newest version of each: what is told again is counted in it.
func (r *recorder) event(o any, _ bool) {
	e, ok := o.(*corev1.Event)
	if !ok {
		return
	}
	seen := eventSeen{judge.Event{Reason: e.Reason, Note: e.Message, Times: 1}, string(e.InvolvedObject.UID)}
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

// podsNow notes which pods are gone that were there.
func (r *recorder) podsNow(l client.ObjectList) {
	there := map[string]bool{}
	pods := l.(*corev1.PodList)
	for i := range pods.Items {
		there[string(pods.Items[i].UID)] = true
		r.pod(&pods.Items[i], false)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, p := range r.pods {
		p.gone = p.gone || !there[uid]
	}
}

// last is the newest version of the run's status, and a channel that is closed when there is a newer one.
func (r *recorder) last() (judge.Status, string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.statuses) == 0 {
		return judge.Status{}, "", r.changed
	}
	return r.statuses[len(r.statuses)-1], r.uid, r.changed
}

// await waits until the run's status is as it should be, or gives up after a while in which nothing changed.
func (r *recorder) await(ctx context.Context, patience time.Duration, holds func(judge.Status) bool) bool {
	for {
		s, _, changed := r.last()
		if holds(s) {
			return true
		}
		t := time.NewTimer(patience)
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

// history puts together what was seen with what the stream and the disk hold now.
func (r *recorder) history(ctx context.Context, store string, damaged []judge.Damage) (judge.History, error) {
	_, uid, _ := r.last()
	h := judge.History{Run: r.name, UID: uid, Damaged: damaged}
	var err error
	if h.Reports, err = readStream(ctx, r.c, uid); err != nil {
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
			p.Ended = p.alive // it ended some time after this
		}
		h.Pods = append(h.Pods, p.Pod)
	}
	for _, e := range r.events {
		if e.run == uid { // another one's of that name may have been told of before
			h.Events = append(h.Events, e.Event)
		}
	}
	return h, nil
}

// stream opens the report stream as its administrator.
func stream(ctx context.Context, c *cluster) (jetstream.Stream, func(), error) {
	url, err := os.ReadFile(filepath.Join(c.state, "nats/url"))
	if err != nil {
		return nil, nil, err
	}
	nc, err := nats.Connect(strings.TrimSpace(string(url)), nats.UserCredentials(filepath.Join(c.state, "nats/admin.creds")))
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

// readStream reads every message of a run.
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
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, InactiveThreshold: 5 * time.Second})
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
			return out, fmt.Errorf("a report that is no JSON: %w", err)
		}
		if meta, err := m.Metadata(); err == nil {
			r.Stream = meta.Sequence.Stream
		}
		out = append(out, r)
	}
	return out, nil
}

// decode reads what JSON says and leaves the rest.
func decode[T any](from any) (T, error) {
	var out T
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}
