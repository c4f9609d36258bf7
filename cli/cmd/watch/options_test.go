package watch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfWatch(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster", "Now")
	for args, want := range map[string]Options{
		"watch erasers":        Options{Run: "erasers"},
		"watch erasers --wait": {Run: "erasers", Wait: true},
	} {
		got := clustertest.Options(t, NewCmdWatch, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
