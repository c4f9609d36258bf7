package version

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfVersion(t *testing.T) {
	surroundings := cmpopts.IgnoreFields(Options{}, "IO", "Cluster", "Output")
	for args, want := range map[string]Options{
		"version":          Options{},
		"version --client": {Client: true},
	} {
		got := clustertest.Options(t, NewCmdVersion, strings.Split(args, " ")...)
		if diff := cmp.Diff(want, *got, surroundings); diff != "" {
			t.Errorf("plumb %s (-want +got):\n%s", args, diff)
		}
	}
}
