package prune

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/wire"
)

const day = 24 * time.Hour

// endedRun returns a run that ended endedAgo before the tests' present time; if endedAgo is negative, the run has not
// ended. Its one trial has its best in the directory of the run with the uid bestIn; if bestIn is empty, there is no
// trial.
func endedRun(uid string, endedAgo time.Duration, bestIn string) api.TrainingRun {
	r := api.TrainingRun{
		ObjectMeta: metav1.ObjectMeta{Name: "run-" + uid, Namespace: "inspection", UID: types.UID(uid)},
	}
	if endedAgo >= 0 {
		r.Status.CompletionTime = &metav1.Time{Time: clustertest.Now.Add(-endedAgo)}
		r.Status.Conditions = []metav1.Condition{{Type: api.ConditionSucceeded, Status: metav1.ConditionTrue}}
	}
	if bestIn != "" {
		best := api.BestMetrics{
			Checkpoint: api.CheckpointRef{URI: "file:///checkpoints/" + bestIn + "/d50/d50-a1-p/best-e0007"},
		}
		r.Status.Trials = []api.TrialStatus{{Name: "d50", Best: &best}}
	}
	return r
}

func TestWhatAPruneMustKeep(t *testing.T) {
	resumed := func(r api.TrainingRun, from string) api.TrainingRun {
		r.Spec.Checkpoint.ResumeFrom = ptr.To(from)
		return r
	}
	version := api.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: "eraser-v1", Namespace: "inspection"},
		Spec: api.ModelVersionSpec{
			Checkpoint: api.CheckpointRef{URI: "file:///mnt/store/gone/d18/d18-a2-q/best-e0003"},
		},
	}
	storePath := func(uid string) string { return uid + "/d50/d50-a1-p/best-e0007" }
	noTime := endedRun("a", 40*day, "")
	noTime.Status.CompletionTime = nil
	for name, test := range map[string]struct {
		runs     []api.TrainingRun
		versions []api.ModelVersion
		want     wire.KeepList
		err      string
	}{
		"nothing is removed from a run that has not ended": {runs: []api.TrainingRun{endedRun("a", -1, "a")},
			want: wire.KeepList{Live: []string{"a"}, Checkpoints: []string{storePath("a")}}},
		"nothing is removed from a run that ended recently": {runs: []api.TrainingRun{endedRun("a", 29*day, "a")},
			want: wire.KeepList{Live: []string{"a"}, Checkpoints: []string{storePath("a")}}},
		"nothing is removed from a run without a time of its end": {
			runs: []api.TrainingRun{noTime},
			want: wire.KeepList{Live: []string{"a"}},
		},
		"the bests of an older run are kept": {
			runs: []api.TrainingRun{endedRun("b", 31*day, "b"), endedRun("a", 30*day, "a")},
			want: wire.KeepList{Ended: []string{"a", "b"}, Checkpoints: []string{storePath("a"), storePath("b")}},
		},
		"nothing is removed from the run that a live run resumes from": {
			runs: []api.TrainingRun{
				endedRun("a", 40*day, "a"),
				resumed(endedRun("b", -1, ""), "a"),
				resumed(endedRun("c", -1, ""), "gone"),
			},
			want: wire.KeepList{Live: []string{"a", "b", "c", "gone"}, Checkpoints: []string{storePath("a")}},
		},
		"a best in an older run's directory is kept": {
			runs: []api.TrainingRun{endedRun("a", 40*day, ""), resumed(endedRun("b", 35*day, "a"), "a")},
			want: wire.KeepList{Ended: []string{"a", "b"}, Checkpoints: []string{storePath("a")}},
		},
		"a promoted checkpoint is kept, although its run was deleted": {versions: []api.ModelVersion{version},
			want: wire.KeepList{Checkpoints: []string{"gone/d18/d18-a2-q/best-e0003"}}},
		"a checkpoint whose location cannot be parsed is an error": {
			runs: []api.TrainingRun{endedRun("a", 40*day, "a/..")},
			err: `trial d50 of run inspection/run-a names the checkpoint ` +
				`"file:///checkpoints/a/../d50/d50-a1-p/best-e0007"`,
		},
	} {
		got, err := keepList(test.runs, test.versions, 30*day, false, clustertest.Now)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", name, err, test.err)
			}
			continue
		}
		test.want.Version, test.want.Made, test.want.IdleSeconds = wire.Version, clustertest.Now, 30*24*3600
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v\n%s", name, err, diff)
		}
		document, err := json.Marshal(got)
		if err == nil {
			_, err = wire.DecodeKeepList(document)
		}
		if err != nil {
			t.Errorf("%s: the trainer would refuse it: %v", name, err)
		}
	}
}
