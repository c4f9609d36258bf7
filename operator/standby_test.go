package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/ingest"
)

// A standby fills its caches and reads no reports. Its workers and its consumer of reports start when it leads.
func TestAStandbyIsWarmAndReadsNoReports(t *testing.T) {
	cluster := &emptyCluster{watched: map[string]bool{}, changed: make(chan struct{}, 1)}
	server := httptest.NewServer(cluster)
	defer server.Close()
	noNATS, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	noNATS.Close() // Nothing listens at this address now.

	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	o := options{leaderElect: true, leaderElectionNamespace: "lab", metrics: "0", probes: "0", workers: 1}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	settings := o.manager(scheme)
	settings.Controller.SkipNameValidation = ptr.To(true) // The test may run twice in one process.
	settings.GracefulShutdownTimeout = ptr.To(waitLimit)
	mgr, err := ctrl.NewManager(&rest.Config{Host: server.URL}, settings)
	if err != nil {
		t.Fatal(err)
	}
	reads := make(chan struct{})
	reports := ingest.New(ingest.Options{
		URL:        "nats://" + noNATS.Addr().String(),
		Credential: nats.Name("standby"),
		Inbox:      "_INBOX",
		Runs: func(context.Context) ([]api.TrainingRun, error) {
			close(reads)
			return nil, nil
		},
	}, ctrl.Log)
	if err := mgr.Add(reports); err != nil {
		t.Fatal(err)
	}
	if err := addControllers(mgr, o, reports, nil, nil); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	cluster.until(t, "the standby watches what it needs, and has asked for the lease", func() bool {
		for _, resource := range []string{"trainingruns", "jobs", "pods", "modelversions"} {
			if !cluster.watched[resource] {
				return false
			}
		}
		return cluster.leaseRequested
	})
	select {
	case <-mgr.Elected():
		t.Error("the standby leads, although another operator holds the lease")
	case <-reads:
		t.Error("the standby reads reports, although another operator leads")
	default:
	}
	cluster.freeLease()
	select {
	case <-reads:
	case <-time.After(waitLimit):
		t.Error("the lease is free, but the standby does not read reports")
	}
}

// waitLimit is how long a test waits for something that must happen.
const waitLimit = 30 * time.Second

// emptyCluster is an API server that knows the operator's kinds and has no object of them. Another operator holds the
// lease until freeLease is called.
type emptyCluster struct {
	mu             sync.Mutex
	watched        map[string]bool // resources for which a watch was started
	leaseRequested bool
	leaseFree      bool // nobody holds the lease
	changed        chan struct{}
}

// served has the resources of each API version that emptyCluster knows.
var served = map[string][]metav1.APIResource{
	"v1":       {{Name: "pods", Kind: "Pod", Namespaced: true}},
	"batch/v1": {{Name: "jobs", Kind: "Job", Namespaced: true}},
	"plumbline.dev/v1alpha1": {
		{Name: "trainingruns", Kind: "TrainingRun", Namespaced: true},
		{Name: "modelversions", Kind: "ModelVersion", Namespaced: true},
		{Name: "models", Kind: "Model", Namespaced: true},
	},
}

// ServeHTTP answers requests for discovery, the lease, lists and watches.
func (c *emptyCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := path[len(path)-1]
	version := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/api/")
	switch {
	case r.URL.Path == "/api":
		answer(w, 200, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case r.URL.Path == "/apis":
		var groups metav1.APIGroupList
		groups.Kind, groups.APIVersion = "APIGroupList", "v1"
		for version := range served {
			if group, short, ok := strings.Cut(version, "/"); ok {
				v := metav1.GroupVersionForDiscovery{GroupVersion: version, Version: short}
				groups.Groups = append(groups.Groups, metav1.APIGroup{
					Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v,
				})
			}
		}
		answer(w, 200, groups)
	case served[version] != nil:
		answer(w, 200, metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: version,
			APIResources: served[version],
		})
	case strings.Contains(r.URL.Path, "/leases"):
		c.lease(w, r)
	case r.URL.Query().Get("sendInitialEvents") != "":
		// An older server refuses this, and the client lists and watches instead.
		answer(w, 422, failure(422, metav1.StatusReasonInvalid))
	case r.URL.Query().Get("watch") != "":
		c.update(func() { c.watched[last] = true })
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case r.Method == http.MethodGet:
		answer(w, 200, map[string]any{
			"kind":       kindOf(last) + "List",
			"apiVersion": strings.Join(path[1:len(path)-1], "/"),
			"metadata":   map[string]any{"resourceVersion": "1"},
			"items":      []any{},
		})
	default:
		answer(w, 201, map[string]any{})
	}
}

func kindOf(resource string) string {
	for _, resources := range served {
		for _, r := range resources {
			if r.Name == resource {
				return r.Kind
			}
		}
	}
	return ""
}

// lease answers requests for the lease.
func (c *emptyCluster) lease(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	free := c.leaseFree
	c.mu.Unlock()
	c.update(func() { c.leaseRequested = true })
	switch {
	case r.Method != http.MethodGet: // created or renewed
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(200)
		_, _ = io.Copy(w, r.Body)
	case free:
		answer(w, 404, failure(404, metav1.StatusReasonNotFound))
	default:
		answer(w, 200, map[string]any{
			"kind":       "Lease",
			"apiVersion": "coordination.k8s.io/v1",
			"metadata":   map[string]any{"name": "plumbline-operator", "resourceVersion": "1"},
			"spec": map[string]any{
				"holderIdentity": "another", "leaseDurationSeconds": 3600, "renewTime": metav1.NowMicro(),
			},
		})
	}
}

func failure(code int32, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   "Failure",
		Reason:   reason,
		Code:     code,
	}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// freeLease deletes the lease.
func (c *emptyCluster) freeLease() { c.update(func() { c.leaseFree = true }) }

// update changes the cluster under its lock, and wakes until.
func (c *emptyCluster) update(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// until blocks until holds returns true, and calls it under the cluster's lock after each update.
func (c *emptyCluster) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.After(waitLimit); ; {
		c.mu.Lock()
		ok := holds()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("timed out waiting until %s; it watches %v", what, c.watched)
		}
	}
}
