package version

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestLowestKubernetesIsTheChartsToo(t *testing.T) {
	chart, err := os.ReadFile("../../../charts/plumbline/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("kubeVersion: \">=%d.%d.0-0\"", lowestMajor, lowestMinor)
	if !strings.Contains(string(chart), want) {
		t.Errorf("charts/plumbline/Chart.yaml does not say %s", want)
	}
}

func TestVersionAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"the client's version asks nobody": {Args: "version --client", Out: []string{"wire 1."}},
		"the client's version for scripts": {
			Args: "version --client -o json",
			Out:  []string{`"plumb": {`, `"wire": "1.`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdVersion), Objects: clustertest.Inspection(t)}
			want.Check(t, p)
		})
	}
}

func TestVersionAsksTheServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/version":
			w.Header().Set("Content-Type", "application/json")
			clustertest.WriteJSON(w, version.Info{Major: "1", Minor: "30+", GitVersion: "v1.30.2-gke"})
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			clustertest.WriteJSON(w, clustertest.Status(404, metav1.StatusReasonNotFound))
		}
	}))
	defer server.Close()
	tests := map[string]struct {
		args     string
		code     int
		out, err []string
	}{
		"a server that is too old, for scripts": {
			args: "version -o yaml",
			code: 1,
			out:  []string{"gitVersion: v1.30.2-gke", "plumb:"},
			err:  []string{"too old"},
		},
		"a server that is too old": {
			args: "version",
			code: 1,
			out:  []string{"kubernetes  v1.30.2-gke", "plumbline   not installed"},
			err:  []string{"too old: Plumbline needs 1.31 or newer"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{
				Tree:    clustertest.Verbs(NewCmdVersion),
				Objects: []client.Object{clustertest.ReadRun(t, "finished")},
			}
			args := append([]string{"--server", server.URL}, strings.Split(tt.args, " ")...)
			if code := p.Run(t, args...); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, p.Err.String())
			}
			clustertest.InOrder(t, "stdout", p.Out.String(), tt.out)
			clustertest.InOrder(t, "stderr", p.Err.String(), tt.err)
		})
	}
}
