package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got; go test -update writes it):\n%s", path, diff)
	}
}

// readRun reads one of testdata/runs.
func readRun(t *testing.T, name string) *api.TrainingRun {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "runs", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var r api.TrainingRun
	if err := yaml.UnmarshalStrict(b, &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &r
}

// noon is when every test happens: ten minutes after the runs in testdata were created.
var noon = time.Date(2026, 11, 24, 6, 10, 0, 0, time.UTC)

// program is plumb before a fake cluster.
type program struct {
	objects  []client.Object
	funcs    interceptor.Funcs
	in       string
	out, err bytes.Buffer
	client   client.WithWatch
}

// dial makes the fake client, once, so that a test can look at what a command left behind.
func (p *program) dial(*rest.Config) (client.WithWatch, error) {
	if p.client == nil {
		byName := func(o client.Object) []string { return []string{o.GetName()} }
		p.client = fake.NewClientBuilder().WithScheme(scheme()).WithObjects(p.objects...).WithInterceptorFuncs(p.funcs).
			WithIndex(&api.TrainingRun{}, metav1.ObjectNameField, byName).
			WithIndex(&api.ModelVersion{}, metav1.ObjectNameField, byName).
			WithIndex(&batchv1.Job{}, metav1.ObjectNameField, byName).Build()
	}
	return p.client, nil
}

// run executes a command line in namespace inspection and returns its exit code.
func (p *program) run(t *testing.T, args ...string) int {
	t.Helper()
	return p.runContext(t, t.Context(), args...)
}

func (p *program) runContext(t *testing.T, ctx context.Context, args ...string) int {
	t.Helper()
	c := newCluster(genericiooptions.IOStreams{In: strings.NewReader(p.in), Out: &p.out, ErrOut: &p.err})
	c.dial = p.dial
	c.now = func() time.Time { return noon }
	return run(ctx, c, append([]string{"plumb", "--server", "http://nowhere.invalid", "-n", "inspection"}, args...))
}

// noKubeconfig keeps the developer's own cluster out of the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Setenv("KUBECONFIG", filepath.Join(os.TempDir(), "plumb-test-without-a-kubeconfig"))
	os.Unsetenv("LC_ALL")
	os.Unsetenv("LC_CTYPE")
	os.Setenv("LANG", "C.UTF-8")
	os.Exit(m.Run())
}

// step answers one request for TrainingRuns.
type step func(w http.ResponseWriter, r *http.Request)

// scripted is an API server that knows TrainingRuns and answers each request for them with the next step; after the last it
// keeps a watch open.
type scripted struct {
	mu    sync.Mutex
	steps []step
	asked []string // of each request for TrainingRuns: "list" or "watch from VERSION"
}

func (s *scripted) start(t *testing.T) client.WithWatch {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cl, err := client.NewWithWatch(&rest.Config{Host: server.URL}, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/trainingruns"):
		s.next(r)(w, r)
	case r.URL.Path == "/apis/plumbline.dev/v1alpha1":
		encode(w, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: api.GroupVersion.String(), APIResources: []metav1.APIResource{
			{Name: "trainingruns", SingularName: "trainingrun", Kind: "TrainingRun", Namespaced: true, Verbs: metav1.Verbs{"get", "list", "watch"}},
		}})
	case r.URL.Path == "/apis" || r.URL.Path == "/apis/plumbline.dev":
		v := metav1.GroupVersionForDiscovery{GroupVersion: api.GroupVersion.String(), Version: api.GroupVersion.Version}
		g := metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: api.GroupVersion.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v}
		if r.URL.Path == "/apis" {
			encode(w, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{g}})
			return
		}
		encode(w, g)
	default:
		http.NotFound(w, r)
	}
}

func (s *scripted) next(r *http.Request) step {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := "list"
	if r.URL.Query().Get("watch") != "" {
		what = "watch from " + r.URL.Query().Get("resourceVersion")
	}
	s.asked = append(s.asked, what)
	if len(s.steps) == 0 {
		return func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	return next
}

// listed answers a list.
func listed(version string, runs ...*api.TrainingRun) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		list := api.TrainingRunList{TypeMeta: metav1.TypeMeta{Kind: "TrainingRunList", APIVersion: api.GroupVersion.String()}, ListMeta: metav1.ListMeta{ResourceVersion: version}}
		for _, r := range runs {
			list.Items = append(list.Items, *r)
		}
		encode(w, list)
	}
}

// watched sends events, given as pairs of type and object, and ends the watch.
func watched(events ...any) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(events); i += 2 {
			encode(w, map[string]any{"type": events[i], "object": events[i+1]})
		}
	}
}

// refused answers with an error of the API server.
func refused(code int, reason metav1.StatusReason) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		encode(w, status(code, reason))
	}
}

func status(code int, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: fmt.Sprintf("says %s", reason)}
}

func encode(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}
