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

// A standby has its caches filled and reads no reports; both its workers and its consumer start once it leads.
func TestAStandbyIsWarmAndReadsNoReports(t *testing.T) {
	cluster := &emptyCluster{watched: map[string]bool{}, changed: make(chan struct{}, 1)}
	server := httptest.NewServer(cluster)
	defer server.Close()
	away, err := net.Listen("tcp", "127.0.0.1:0") // where no NATS is
	if err != nil {
		t.Fatal(err)
	}
	away.Close()

	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	o := options{leaderElect: true, leaderElectionNamespace: "lab", metrics: "0", probes: "0", workers: 1}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	settings := o.manager(scheme)
	settings.Controller.SkipNameValidation = ptr.To(true) // a second run of this test is another process's operator
	settings.GracefulShutdownTimeout = ptr.To(patience)
	mgr, err := ctrl.NewManager(&rest.Config{Host: server.URL}, settings)
	if err != nil {
		t.Fatal(err)
	}
	reads := make(chan struct{})
	reports := ingest.New(ingest.Options{URL: "nats://" + away.Addr().String(), Credential: nats.Name("standby"), Inbox: "_INBOX", Runs: func(context.Context) ([]api.TrainingRun, error) {
		close(reads)
		return nil, nil
	}}, ctrl.Log)
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

	cluster.until(t, "a standby watches what it will need, and has asked for the lead", func() bool {
		return cluster.watched["trainingruns"] && cluster.watched["jobs"] && cluster.watched["pods"] && cluster.watched["modelversions"] && cluster.asked
	})
	select {
	case <-mgr.Elected():
		t.Error("it leads, although another does")
	case <-reads:
		t.Error("it reads reports, although another leads")
	default:
	}
	cluster.vacant()
	select {
	case <-reads:
	case <-time.After(patience):
		t.Error("the other is gone, and it reads no reports")
	}
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// emptyCluster is an API server that knows the operator's kinds, holds none of them, and has its lease held by somebody
// else.
type emptyCluster struct {
	mu      sync.Mutex
	watched map[string]bool
	asked   bool // for the lead
	free    bool // nobody holds the lease
	changed chan struct{}
}

var served = map[string][]metav1.APIResource{
	"v1":                     {{Name: "pods", Kind: "Pod", Namespaced: true}},
	"batch/v1":               {{Name: "jobs", Kind: "Job", Namespaced: true}},
	"plumbline.dev/v1alpha1": {{Name: "trainingruns", Kind: "TrainingRun", Namespaced: true}, {Name: "modelversions", Kind: "ModelVersion", Namespaced: true}, {Name: "models", Kind: "Model", Namespaced: true}},
}

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
				groups.Groups = append(groups.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
			}
		}
		answer(w, 200, groups)
	case served[version] != nil:
		answer(w, 200, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version, APIResources: served[version]})
	case strings.Contains(r.URL.Path, "/leases"):
		c.lease(w, r)
	case r.URL.Query().Get("sendInitialEvents") != "": // as an older server says that it cannot: the list is asked for
		answer(w, 422, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonInvalid, Code: 422})
	case r.URL.Query().Get("watch") != "":
		c.note(func() { c.watched[last] = true })
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case r.Method == http.MethodGet:
		answer(w, 200, map[string]any{"kind": kindOf(last) + "List", "apiVersion": strings.Join(path[1:len(path)-1], "/"), "metadata": map[string]any{"resourceVersion": "1"}, "items": []any{}})
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

func (c *emptyCluster) lease(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	free := c.free
	c.mu.Unlock()
	c.note(func() { c.asked = true })
	switch {
	case r.Method != http.MethodGet: // created or renewed
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(200)
		_, _ = io.Copy(w, r.Body)
	case free:
		answer(w, 404, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
	default:
		answer(w, 200, map[string]any{"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": map[string]any{"name": "plumbline-operator", "resourceVersion": "1"},
			"spec": map[string]any{"holderIdentity": "another", "leaseDurationSeconds": 3600, "renewTime": metav1.NowMicro()}})
	}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (c *emptyCluster) vacant() { c.note(func() { c.free = true }) }

func (c *emptyCluster) note(what func()) {
	c.mu.Lock()
	what()
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *emptyCluster) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.After(patience); ; {
		c.mu.Lock()
		ok := holds()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("waited in vain until %s; it watches %v", what, c.watched)
		}
	}
}
