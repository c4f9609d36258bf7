package logs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfLogs(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster")
	for args, want := range map[string]Options{
		"logs erasers":        Options{Run: "erasers"},
		"logs erasers d50 -f": {Run: "erasers", Trial: "d50", Follow: true},
	} {
		got := clustertest.Options(t, NewCmdLogs, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
