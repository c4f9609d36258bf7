package watch

import (
	"fmt"
	"strings"
	"testing"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/golden"
)

// TestChangesGolden tells a run's story in lines, as a log has it.
func TestChangesGolden(t *testing.T) {
	var story strings.Builder
	var before *api.TrainingRun
	for _, state := range []string{"waiting", "running", "running", "eventful", "suspended", "finished"} {
		after := clustertest.ReadRun(t, state)
		fmt.Fprintf(&story, "--- %s\n", state)
		for _, l := range changes(before, after) {
			fmt.Fprintln(&story, l)
		}
		before = after
	}
	for _, state := range []string{"failed", "odd"} {
		lines := changes(nil, clustertest.ReadRun(t, state))
		fmt.Fprintf(&story, "--- %s, at first sight\n%s\n", state, strings.Join(lines, "\n"))
	}
	golden.Check(t, "changes", story.String())
}
