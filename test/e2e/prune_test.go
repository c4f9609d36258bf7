package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestARetryTrainsLongerAndPruneRemovesWhatIsLeft retries an ended run with more epochs, and then prunes the
// checkpoints that neither run needs any more.
func TestARetryTrainsLongerAndPruneRemovesWhatIsLeft(t *testing.T) {
	prepareNamespace(t)
	old, longer := keyOf("old"), keyOf("longer")
	for _, key := range []client.ObjectKey{old, longer} {
		t.Cleanup(func() {
			removeCheckpoints(t, key)
			kubectl(t, "delete", "trun", key.Name, "-n", namespace, "--ignore-not-found")
		})
	}
	o := smallRun(old, 3, 18)
	at(o, "spec", "hyperparameters")["schedule"] = "constant" // so that later epochs do not change the earlier ones
	apply(t, o)
	first := awaitRun(t, old, "end", ended)
	plumb(t, "retry", "old", "--name", "longer", "--epochs", "5", "-n", namespace)
	second := awaitRun(t, longer, "end", ended)
	trial := second.Status.Trials[0]
	from := trial.Attempts[0].FromEpoch
	if second.Status.Phase != v1alpha1.RunSucceeded || trial.Epoch != 5 || from == nil || *from != 3 {
		t.Errorf("want epochs 4 and 5, resumed from the old run: %s", encodeStatus(second))
	}
	for i, p := range first.Status.Trials[0].Curve {
		if trial.Curve[i] != p {
			t.Errorf("epoch %d was %v and is %v", p.Epoch, p.AUCPR, trial.Curve[i])
		}
	}
	store := filepath.Join(cluster.state, "volumes", "checkpoints")
	resumable := func() (found []string) {
		for _, r := range []*v1alpha1.TrainingRun{first, second} {
			dirs, _ := filepath.Glob(filepath.Join(store, string(r.UID), "*", "*", "resume-*"))
			found = append(found, dirs...)
		}
		return found
	}
	before := len(resumable())
	out := plumb(t, "prune", "-n", namespace, "--older-than", "0s", "--dry-run")
	if !strings.Contains(out, "resume-") || len(resumable()) != before {
		t.Errorf("want a dry run that lists what it would remove, and removes nothing:\n%s", out)
	}
	out = plumb(t, "prune", "-n", namespace, "--older-than", "0s", "--yes")
	if after := resumable(); before == 0 || len(after) > 0 {
		t.Errorf("of %d resume checkpoints these are left after prune: %v\n%s", before, after, out)
	}
	for _, r := range []*v1alpha1.TrainingRun{first, second} {
		if _, err := os.Stat(filepath.Join(hostPath(r.Status.Best.Checkpoint.URI), "manifest.json")); err != nil {
			t.Errorf("the best of %s was removed, too: %v", r.Name, err)
		}
	}
}

// plumb runs plumb, and fails the test if plumb fails.
func plumb(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, "", "plumb", args...)
	if err != nil {
		t.Fatalf("plumb %v: %v\n%s", args, err, out)
	}
	return out
}
