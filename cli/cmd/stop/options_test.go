package stop

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfStop(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster", "Output")
	for args, want := range map[string]Options{
		"stop erasers d101 d152": {Run: "erasers", Trials: []string{"d101", "d152"}},
	} {
		got := clustertest.Options(t, NewCmdStop, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
