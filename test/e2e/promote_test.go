package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// promote publishes the best of a finished run, and compares the published model with the run and with Python
// TensorFlow.
func promote(t *testing.T, run *v1alpha1.TrainingRun) {
	apply(t, toyModel("erasers"))
	out, err := command(t, "", "plumb", "promote", run.Name, "-n", namespace,
		"--model", "erasers", "--reason", "the walk's test")
	if err != nil {
		t.Fatalf("plumb promote: %v\n%s", err, out)
	}
	published := filepath.Join(cluster.state, "volumes", "models", "erasers", "1")
	for _, file := range []string{"saved_model.pb", "variables/variables.index", "assets.extra/plumbline.json"} {
		if _, err := os.Stat(filepath.Join(published, file)); err != nil {
			t.Errorf("the published version lacks a file: %v", err)
		}
	}
	t.Run("Python TensorFlow computes the trainer's probabilities", func(t *testing.T) {
		checkWithTensorFlow(t, run, published)
	})
	t.Run("Python's TensorBoard shows the reported values", func(t *testing.T) {
		checkWithTensorBoard(t, run)
	})
	t.Run("a second promotion gets the next number", func(t *testing.T) {
		out, err := command(t, "", "plumb", "promote", run.Name, "-n", namespace,
			"--model", "erasers", "--trial", "d18")
		if err != nil {
			t.Fatalf("plumb promote: %v\n%s", err, out)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(published), "2", "saved_model.pb")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a damaged checkpoint is refused and nothing of it is published", func(t *testing.T) {
		promoteDamaged(t, run, filepath.Dir(published))
	})
	t.Run("a registry that cannot be made is named by the condition", func(t *testing.T) {
		promoteUnwritable(t, run)
	})
}

// checkWithTensorFlow repeats the checkpoint's recorded predictions with Python TensorFlow, which shares no code with
// the trainer.
func checkWithTensorFlow(t *testing.T, run *v1alpha1.TrainingRun, published string) {
	checkpoint := hostPath(run.Status.Best.Checkpoint.URI)
	cmd := exec.Command("../../hack/reference/check.sh", published, checkpoint)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("Python TensorFlow computes something else, or cannot load the model: %v", err)
	}
}

// checkWithTensorBoard reads every trial's event files with Python's TensorBoard, and compares them with the reports in
// the checkpoints.
func checkWithTensorBoard(t *testing.T, run *v1alpha1.TrainingRun) {
	python, err := exec.Command("../../hack/reference/python.sh", "tensorflow", "Python TensorFlow").Output()
	if err != nil {
		t.Fatal(err)
	}
	// The best's location is <uri>/<run uid>/<trial>/<writer>/best-...
	ofRun := filepath.Join(hostPath(run.Status.Best.Checkpoint.URI), "../../..")
	cmd := exec.Command(strings.TrimSpace(string(python)), "../../hack/reference/check_events.py", "read", ofRun)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("Python's TensorBoard shows something else, or nothing: %v\n%s", err, out)
	}
}

// promoteDamaged flips one bit in the weights of a trial that is not the best, and promotes that trial.
func promoteDamaged(t *testing.T, run *v1alpha1.TrainingRun, models string) {
	victim := run.Status.Trials[1]
	if victim.Name == run.Status.Best.Trial {
		victim = run.Status.Trials[0]
	}
	weights := filepath.Join(hostPath(victim.Best.Checkpoint.URI), "weights.safetensors")
	b, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(weights, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "", "plumb", "promote", run.Name, "-n", namespace,
		"--model", "erasers", "--trial", victim.Name)
	if err == nil || !strings.Contains(out, "weights.safetensors") {
		t.Errorf("want a failure that names the file, got %v\n%s", err, out)
	}
	wantCondition(t, "erasers-v3", v1alpha1.ConditionPublished, "False", "weights.safetensors")
	remains, err := filepath.Glob(filepath.Join(models, "*3*"))
	if err != nil || len(remains) != 0 {
		t.Errorf("want nothing of version 3 in the registry: %v %v", remains, err)
	}
}

// promoteUnwritable promotes into a registry whose path is a file. Not even root can make a directory below a file.
func promoteUnwritable(t *testing.T, run *v1alpha1.TrainingRun) {
	if err := os.WriteFile(filepath.Join(cluster.state, "volumes", "models", "blocked"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m := toyModel("blocked")
	at(m, "spec", "registry")["uri"] = "file:///models/blocked"
	apply(t, m)
	out, err := command(t, "", "plumb", "promote", run.Name, "-n", namespace, "--model", "blocked")
	if err == nil {
		t.Errorf("want a failure, got\n%s", out)
	}
	wantCondition(t, "blocked-v1", v1alpha1.ConditionPublished, "False", "blocked")
}

// wantCondition checks the status of a ModelVersion's condition, and that its message contains part.
func wantCondition(t *testing.T, version, condition, status, part string) {
	t.Helper()
	var v v1alpha1.ModelVersion
	text := kubectl(t, "get", "mver", version, "-n", namespace, "-o", "json")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Status.Conditions {
		if c.Type == condition {
			if string(c.Status) != status || !strings.Contains(c.Message, part) {
				t.Errorf("%s of %s is %s: %q; want %s with a part %q",
					condition, version, c.Status, c.Message, status, part)
			}
			return
		}
	}
	t.Errorf("%s has no condition %s", version, condition)
}

// hostPath returns the path on this machine of a location that a pod uses. Pods of the local cluster have no mount
// namespace, so the node rewrites the locations in their manifests. A location that a pod reports is therefore a path
// of this machine already.
func hostPath(uri string) string {
	path := strings.TrimPrefix(uri, "file://")
	if strings.HasPrefix(path, cluster.state) {
		return path
	}
	return filepath.Join(cluster.state, "volumes", path)
}
