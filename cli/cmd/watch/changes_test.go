package watch

import (
	"fmt"
	"strings"
	"testing"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/golden"
)

// TestChangesGolden prints the lines of a run that passes through several states, as a log would have them.
func TestChangesGolden(t *testing.T) {
	var log strings.Builder
	var before *api.TrainingRun
	for _, state := range []string{"waiting", "running", "running", "eventful", "suspended", "finished"} {
		after := clustertest.ReadRun(t, state)
		fmt.Fprintf(&log, "--- %s\n", state)
		for _, l := range changes(before, after) {
			fmt.Fprintln(&log, l)
		}
		before = after
	}
	for _, state := range []string{"failed", "odd"} {
		lines := changes(nil, clustertest.ReadRun(t, state))
		fmt.Fprintf(&log, "--- %s, at first sight\n%s\n", state, strings.Join(lines, "\n"))
	}
	golden.Check(t, "changes", log.String())
}
