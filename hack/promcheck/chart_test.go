package promcheck

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// The chart must carry the alerts and the dashboard unchanged. Both hold braces that Prometheus and Grafana read;
// Helm's templates must not expand them, and YAML must not change them.
func TestTheChartCarriesAlertsAndDashboard(t *testing.T) {
	cmd := exec.Command("go", "tool", "-modfile=hack/tools/go.mod",
		"helm", "template", "plumbline", "charts/plumbline", "--namespace", "ps", "--kube-version", "1.34.0",
		"--set", "image.repository=registry.example.com/plumbline-operator",
		"--set", "monitoring.rules.enabled=true",
		"--set", "monitoring.dashboard.enabled=true",
		"--set", "monitoring.podMonitor.enabled=true")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	manifests, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	kinds := map[string]map[string]any{} // the last manifest of each kind; the dashboard's ConfigMap is "dashboard"
	for d := yaml.NewDecoder(bytes.NewReader(manifests)); ; {
		var o map[string]any
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kind, _ := o["kind"].(string)
		if data, ok := o["data"].(map[string]any); ok && data["plumbline.json"] != nil {
			kind = "dashboard"
		}
		kinds[kind] = o
	}
	var source map[string]any
	if err := yaml.Unmarshal(read(t, alertsFile), &source); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(source), kinds["PrometheusRule"]["spec"]); diff != "" {
		t.Errorf("PrometheusRule:\n%s", diff)
	}
	data, _ := kinds["dashboard"]["data"].(map[string]any)
	if diff := cmp.Diff(string(read(t, dashboardFile)), data["plumbline.json"]); diff != "" {
		t.Errorf("dashboard:\n%s", diff)
	}
	if kinds["PodMonitor"] == nil {
		t.Error("no PodMonitor")
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
