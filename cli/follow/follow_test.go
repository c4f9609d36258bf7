package follow

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
)

// at is run "erasers" in a version, with that many epochs done.
func at(version, uid, progress string) *api.TrainingRun {
	return &api.TrainingRun{
		TypeMeta: metav1.TypeMeta{Kind: "TrainingRun", APIVersion: api.GroupVersion.String()},
		ObjectMeta: metav1.ObjectMeta{
			Name:            "erasers",
			Namespace:       "inspection",
			UID:             types.UID(uid),
			ResourceVersion: version,
		},
		Status: api.TrainingRunStatus{Progress: progress},
	}
}

func TestFollow(t *testing.T) {
	other := at("7", "z", "9/9")
	other.Name = "other"
	tests := map[string]struct {
		steps   []step
		want    []string // what was seen
		asked   []string // of the server
		wantErr func(error) bool
	}{
		"a watch that the server ends is taken up where it ended": {
			steps: []step{
				listed("10", at("9", "a", "1/8")),
				watched("MODIFIED", at("11", "a", "2/8")),
				watched("MODIFIED", at("12", "a", "3/8"), "DELETED", at("13", "a", "3/8")),
			},
			want:  []string{"1/8", "2/8", "3/8", "gone 3/8"},
			asked: []string{"list", "watch from 10", "watch from 11"},
		},
		"a bookmark moves the version on without being news": {
			steps: []step{
				listed("10", at("9", "a", "1/8")),
				watched("BOOKMARK", at("40", "", "")),
				watched("DELETED", at("41", "a", "1/8")),
			},
			want:  []string{"1/8", "gone 1/8"},
			asked: []string{"list", "watch from 10", "watch from 40"},
		},
		"a version that the server has forgotten is listed anew": {
			steps: []step{
				listed("10", at("9", "a", "1/8")),
				watched("ERROR", clustertest.Status(410, metav1.StatusReasonExpired)),
				listed("90", at("88", "a", "5/8")),
				watched("DELETED", at("91", "a", "5/8")),
			},
			want:  []string{"1/8", "5/8", "gone 5/8"},
			asked: []string{"list", "watch from 10", "list", "watch from 90"},
		},
		"a server that is away for a while is told of, and then that it is back": {
			steps: []step{
				listed("10", at("9", "a", "1/8")),
				refused(503, metav1.StatusReasonServiceUnavailable),
				watched("DELETED", at("11", "a", "1/8")),
			},
			want:  []string{"1/8", "lost", "1/8", "gone 1/8"},
			asked: []string{"list", "watch from 10", "watch from 10"},
		},
		"a run that is not there yet is waited for": {
			steps: []step{listed("10", other), watched("ADDED", at("11", "a", "0/8"), "DELETED", at("12", "a", "0/8"))},
			want:  []string{"absent", "0/8", "gone 0/8"},
			asked: []string{"list", "watch from 10"},
		},
		"a run that was deleted while the version was forgotten is gone": {
			steps: []step{
				listed("10", at("9", "a", "1/8")),
				watched("ERROR", clustertest.Status(410, metav1.StatusReasonExpired)),
				listed("90"),
			},
			want:  []string{"1/8", "gone 1/8"},
			asked: []string{"list", "watch from 10", "list"},
		},
		"another run under the same name means that the first is gone": {
			steps: []step{
				listed("10", at("9", "a", "1/8")),
				watched("ERROR", clustertest.Status(410, metav1.StatusReasonExpired)),
				listed("90", at("89", "b", "0/8")),
			},
			want:  []string{"1/8", "gone 1/8"},
			asked: []string{"list", "watch from 10", "list"},
		},
		"rights that were taken away are an error": {
			steps:   []step{listed("10", at("9", "a", "1/8")), refused(403, metav1.StatusReasonForbidden)},
			want:    []string{"1/8"},
			asked:   []string{"list", "watch from 10"},
			wantErr: apierrors.IsForbidden,
		},
		"an error at the first try is not tried again": {
			steps:   []step{refused(503, metav1.StatusReasonServiceUnavailable)},
			asked:   []string{"list"},
			wantErr: apierrors.IsServiceUnavailable,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := &scripted{steps: tt.steps}
			var seen []string
			f := &follower{
				client:  server.start(t),
				list:    &api.TrainingRunList{},
				key:     types.NamespacedName{Namespace: "inspection", Name: "erasers"},
				see:     func(s Sighting) { seen = append(seen, inAWord(s)) },
				backoff: wait.Backoff{Duration: time.Microsecond, Steps: 1},
			}
			err := f.run(t.Context())
			if tt.wantErr == nil && err != nil || tt.wantErr != nil && !tt.wantErr(err) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, seen); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.asked, server.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	server := &scripted{steps: []step{listed("10", at("9", "a", "1/8"))}}
	ctx, cancel := context.WithCancel(t.Context())
	key := types.NamespacedName{Namespace: "inspection", Name: "erasers"}
	err := Object(ctx, server.start(t), &api.TrainingRunList{}, key, func(Sighting) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// inAWord is a sighting in a word.
func inAWord(s Sighting) string {
	run, _ := s.Object.(*api.TrainingRun)
	switch {
	case s.Lost != nil:
		return "lost"
	case run == nil:
		return "absent"
	case s.Gone:
		return fmt.Sprintf("gone %s", run.Status.Progress)
	}
	return run.Status.Progress
}
