package prune

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfPrune(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster", "Now")
	for args, want := range map[string]Options{
		"prune": {OlderThan: 720 * time.Hour, Timeout: 10 * time.Minute},
		"prune --template-from old --older-than 1h -A --unknown --yes --timeout 1m": {
			Template: "old", OlderThan: time.Hour, All: true, Unknown: true, Yes: true, Timeout: time.Minute,
		},
		"prune --dry-run": {OlderThan: 720 * time.Hour, DryRun: true, Timeout: 10 * time.Minute},
	} {
		got := clustertest.Options(t, NewCmdPrune, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
