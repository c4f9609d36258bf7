package retry

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfRetry(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster", "Output")
	for args, want := range map[string]Options{
		"retry erasers": {Run: "erasers"},
		"retry erasers --name next --depths 18,34 --epochs 60 --anew": {
			Run: "erasers", NewName: "next", Depths: []int{18, 34}, Epochs: 60, Anew: true,
		},
	} {
		got := clustertest.Options(t, NewCmdRetry, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
