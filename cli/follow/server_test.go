package follow

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/clustertest"
)

// step answers one request for TrainingRuns.
type step func(w http.ResponseWriter, r *http.Request)

// scripted is an API server that knows TrainingRuns and answers each request for them with the next step; after the
// last it keeps a watch open.
type scripted struct {
	mu    sync.Mutex
	steps []step
	asked []string // of each request for TrainingRuns: "list" or "watch from VERSION"
}

func (s *scripted) start(t *testing.T) client.WithWatch {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cl, err := client.NewWithWatch(&rest.Config{Host: server.URL}, client.Options{Scheme: cluster.Scheme()})
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
		clustertest.WriteJSON(w, metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: api.GroupVersion.String(),
			APIResources: []metav1.APIResource{{
				Name:         "trainingruns",
				SingularName: "trainingrun",
				Kind:         "TrainingRun",
				Namespaced:   true,
				Verbs:        metav1.Verbs{"get", "list", "watch"},
			}},
		})
	case r.URL.Path == "/apis" || r.URL.Path == "/apis/plumbline.dev":
		v := metav1.GroupVersionForDiscovery{GroupVersion: api.GroupVersion.String(), Version: api.GroupVersion.Version}
		g := metav1.APIGroup{
			TypeMeta:         metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"},
			Name:             api.GroupVersion.Group,
			Versions:         []metav1.GroupVersionForDiscovery{v},
			PreferredVersion: v,
		}
		if r.URL.Path == "/apis" {
			clustertest.WriteJSON(w, metav1.APIGroupList{
				TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
				Groups:   []metav1.APIGroup{g},
			})
			return
		}
		clustertest.WriteJSON(w, g)
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
		list := api.TrainingRunList{
			TypeMeta: metav1.TypeMeta{Kind: "TrainingRunList", APIVersion: api.GroupVersion.String()},
			ListMeta: metav1.ListMeta{ResourceVersion: version},
		}
		for _, r := range runs {
			list.Items = append(list.Items, *r)
		}
		clustertest.WriteJSON(w, list)
	}
}

// watched sends events, given as pairs of type and object, and ends the watch.
func watched(events ...any) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(events); i += 2 {
			clustertest.WriteJSON(w, map[string]any{"type": events[i], "object": events[i+1]})
		}
	}
}

// refused answers with an error of the API server.
func refused(code int, reason metav1.StatusReason) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		clustertest.WriteJSON(w, clustertest.Status(code, reason))
	}
}
