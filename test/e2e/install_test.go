package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What people install from is taken by the API server itself, down to the last field, and not only by a schema.
func TestAPIServerAcceptsWhatIsInstalled(t *testing.T) {
	values, err := filepath.Glob("../../charts/plumbline/ci/*.yaml")
	if err != nil || len(values) == 0 {
		t.Fatalf("the chart's values to try: %v, %v", values, err)
	}
	var version struct{ ServerVersion struct{ GitVersion string } }
	if err := json.Unmarshal([]byte(kubectl(t, "version", "-o", "json")), &version); err != nil {
		t.Fatal(err)
	}
	// Namespaces where nothing is installed yet, and those that the chart's values name.
	for _, name := range []string{"charted", "inspection", "weaving"} {
		apply(t, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name}})
	}
	chart := []string{"tool", "-modfile=hack/tools/go.mod", "helm", "template", "plumbline", "charts/plumbline",
		"--namespace", "charted", "--kube-version", version.ServerVersion.GitVersion}
	tests := map[string]*exec.Cmd{
		"config/default": exec.Command(filepath.Join(cluster.bin, "localcluster"), "--dir", cluster.state, "kubectl", "kustomize", "config/default"),
		"the chart":      exec.Command("go", append(chart, "--set", "image.repository=registry.example.com/plumbline-operator")...),
	}
	for _, file := range values {
		tests["the chart with "+filepath.Base(file)] = exec.Command("go", append(chart, "--values", strings.TrimPrefix(file, "../../"))...)
	}
	for name, render := range tests {
		t.Run(name, func(t *testing.T) {
			render.Dir = "../.."
			var errors strings.Builder
			render.Stderr = &errors
			manifests, err := render.Output()
			if err != nil {
				t.Fatalf("%v: %v\n%s", render.Args, err, errors.String())
			}
			out, err := kubectlWith(t, string(manifests), "apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if objects := strings.Count(string(manifests), "\nkind: "); objects < 5 || strings.Count(out, "(server dry run)") != objects {
				t.Errorf("%d objects were rendered; kubectl answered:\n%s", objects, out)
			}
		})
	}
}
