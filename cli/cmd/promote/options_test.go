package promote

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfPromote(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster", "Output")
	for args, want := range map[string]Options{
		"promote erasers": {Run: "erasers", Timeout: 10 * time.Minute},
		"promote erasers --model eraser --trial d18 --reason why --provisional --no-wait --timeout 1m": {
			Run: "erasers", Model: "eraser", Trial: "d18", Reason: "why",
			Provisional: true, NoWait: true, Timeout: time.Minute,
		},
	} {
		got := clustertest.Options(t, NewCmdPromote, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
