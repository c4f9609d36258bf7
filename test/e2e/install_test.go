package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The API server itself must accept every field of the kustomization and the chart from which people install, not only
// a schema.
func TestAPIServerAcceptsTheInstallations(t *testing.T) {
	values, err := filepath.Glob("../../charts/plumbline/ci/*.yaml")
	if err != nil || len(values) == 0 {
		t.Fatalf("find the values in charts/plumbline/ci: %v, %v", values, err)
	}
	var version struct{ ServerVersion struct{ GitVersion string } }
	if err := json.Unmarshal([]byte(kubectl(t, "version", "-o", "json")), &version); err != nil {
		t.Fatal(err)
	}
	// The chart is installed into charted, and its values name the other namespaces.
	for _, name := range []string{"charted", "inspection", "weaving"} {
		apply(t, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name}})
	}
	renderChart := func(args ...string) *exec.Cmd {
		return exec.Command("go", append([]string{
			"tool", "-modfile=hack/tools/go.mod", "helm", "template", "plumbline", "charts/plumbline",
			"--namespace", "charted", "--kube-version", version.ServerVersion.GitVersion,
		}, args...)...)
	}
	tests := map[string]*exec.Cmd{
		"config/default": exec.Command(filepath.Join(cluster.bin, "localcluster"), "--dir", cluster.state,
			"kubectl", "kustomize", "config/default"),
		"the chart": renderChart("--set", "image.repository=registry.example.com/plumbline-operator"),
	}
	for _, file := range values {
		tests["the chart with "+filepath.Base(file)] = renderChart("--values", strings.TrimPrefix(file, "../../"))
	}
	for name, render := range tests {
		t.Run(name, func(t *testing.T) {
			render.Dir = "../.."
			var stderr strings.Builder
			render.Stderr = &stderr
			manifests, err := render.Output()
			if err != nil {
				t.Fatalf("%v: %v\n%s", render.Args, err, stderr.String())
			}
			out, err := kubectlWith(t, string(manifests), "apply", "--dry-run=server", "--server-side",
				"--force-conflicts", "--validate=strict", "-f", "-")
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			objects := strings.Count(string(manifests), "\nkind: ")
			if objects < 5 || strings.Count(out, "(server dry run)") != objects {
				t.Errorf("%d objects were rendered; kubectl answered:\n%s", objects, out)
			}
		})
	}
}
