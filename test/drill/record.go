package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
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
)

// recorder watches one run until it is stopped. A watch that breaks is begun again, with a list before it: versions in between are
// not seen, and nothing is judged by their absence.
type recorder struct {
	c    *cluster
	name string

	mu       sync.Mutex
	uid      string
	statuses []Status
	pods     map[string]*podSeen
	changed  chan struct{} // closed at the next change
}

type podSeen struct {
	Pod
	alive time.Time // when it was seen alive last
	gone  bool
}

func record(ctx context.Context, c *cluster, name string) *recorder {
	r := &recorder{c: c, name: name, pods: map[string]*podSeen{}, changed: make(chan struct{})}
	go follow(ctx, c, runList(), client.MatchingFields{"metadata.name": name}, r.run, nil)
	go follow(ctx, c, &corev1.PodList{}, client.MatchingLabels{"plumbline.dev/run": name}, r.pod, r.podsNow)
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
	s, err := decode[Status](u.Object["status"])
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
		seen = &podSeen{Pod: Pod{UID: string(p.UID), Name: p.Name, Trial: p.Labels["plumbline.dev/trial"], Attempt: p.Labels["plumbline.dev/attempt"]}}
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
func (r *recorder) last() (Status, string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.statuses) == 0 {
		return Status{}, "", r.changed
	}
	return r.statuses[len(r.statuses)-1], r.uid, r.changed
}

// await waits until the run's status is as it should be, or gives up after a while in which nothing changed.
func (r *recorder) await(ctx context.Context, patience time.Duration, holds func(Status) bool) bool {
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
func (r *recorder) history(ctx context.Context, store string, damaged []string) (History, error) {
	_, uid, _ := r.last()
	h := History{Run: r.name, UID: uid, Damaged: damaged}
	var err error
	if h.Reports, err = readStream(ctx, r.c, uid); err != nil {
		return h, err
	}
	if h.Checkpoints, err = readStore(store, uid); err != nil {
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
func readStream(ctx context.Context, c *cluster, uid string) (out []Report, err error) {
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
		var r Report
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

// readStore reads every directory of a run that bears a checkpoint's final name, and verifies it against its own manifest.
func readStore(store, uid string) (out []Checkpoint, err error) {
	dirs, err := filepath.Glob(filepath.Join(store, uid, "*", "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || !strings.HasPrefix(name, "best-") && !strings.HasPrefix(name, "resume-") {
			continue
		}
		rel, err := filepath.Rel(store, dir)
		if err != nil {
			return nil, err
		}
		c := Checkpoint{Dir: rel, Files: map[string]string{}}
		if err := c.read(dir); err != nil {
			c.Damage = err.Error()
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *Checkpoint) read(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	c.Digest = "sha256:" + hex.EncodeToString(sum[:])
	var m struct {
		Kind, Trial, Writer string
		Epoch               int
		Files               []struct{ Name, SHA256 string }
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	c.Kind, c.Trial, c.Writer, c.Epoch = m.Kind, m.Trial, m.Writer, m.Epoch
	for _, f := range m.Files {
		got, err := digestOf(filepath.Join(dir, f.Name))
		if err != nil {
			return err
		}
		if got != f.SHA256 {
			return fmt.Errorf("%s has digest %.8s, the manifest says %.8s", f.Name, got, f.SHA256)
		}
		c.Files[f.Name] = got
	}
	if m.Kind != "resume" {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, "reports.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("reports.jsonl: %w", err)
		}
		c.History = append(c.History, r)
	}
	return lines.Err()
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
