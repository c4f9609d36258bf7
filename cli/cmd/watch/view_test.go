package watch

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/golden"
	"plumbline.dev/plumbline/cli/text"
)

// TestRunViewGolden holds what plumb watch draws, in every state and at several widths. Read the files as a user would.
func TestRunViewGolden(t *testing.T) {
	for _, state := range []string{"waiting", "running", "failed", "finished", "eventful", "suspended", "odd"} {
		var all strings.Builder
		for _, width := range []int{140, 80, 40} {
			v := view{
				run:   clustertest.ReadRun(t, state),
				now:   clustertest.Noon,
				width: width,
				style: text.Style{Glyphs: text.Unicode},
			}
			fmt.Fprintf(&all, "%s\n", strings.Repeat("=", width))
			for _, l := range v.lines() {
				if n := text.Columns(l); n > width {
					t.Errorf("%s at %d columns: a line of %d: %q", state, width, n, l)
				}
				fmt.Fprintln(&all, l)
			}
		}
		golden.Check(t, "view-"+state, all.String())
	}
}

func TestRunViewOnPoorTerminals(t *testing.T) {
	tests := map[string]struct {
		view view
		want func(lines []string) bool
	}{
		"nothing is wider than a very narrow one": {
			view: view{width: 7},
			want: func(lines []string) bool {
				for _, l := range lines {
					if text.Columns(l) > 7 {
						return false
					}
				}
				return len(lines) > 5
			},
		},
		"a low one keeps the rows and drops the words": {
			view: view{width: 80, height: 9},
			want: func(lines []string) bool {
				return len(lines) == 9 && strings.HasPrefix(lines[8], "  d152")
			},
		},
		"one without Unicode gets ASCII": {
			view: view{width: 100, style: text.Style{Glyphs: text.ASCII}},
			want: func(lines []string) bool {
				drawn := strings.Join(lines, "")
				return strings.IndexFunc(drawn, func(r rune) bool { return r > 126 }) < 0 &&
					strings.Contains(drawn, "#####") &&
					strings.Contains(drawn, "* d34")
			},
		},
		"one with colour gets it outside the counted width": {
			view: view{width: 80, style: text.Style{Glyphs: text.Unicode, Colour: true}},
			want: func(lines []string) bool {
				return strings.Contains(lines[0], "\x1b[36mRunning\x1b[0m") &&
					text.Columns(text.StripEscapes(lines[3])) <= 80
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := tt.view
			v.run, v.now = clustertest.ReadRun(t, "running"), clustertest.Noon
			if len(v.style.Bar) == 0 {
				v.style = text.Style{Glyphs: text.Unicode}
			}
			if lines := v.lines(); !tt.want(lines) {
				t.Errorf("drew:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

// The run's own words on what it waits for are told where no trial and no other condition has told them.
func TestWhatIsWaitedForIsToldOnce(t *testing.T) {
	condition := func(kind, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Message: message}
	}
	const away, reports = "the report stream has not been reached yet", "the run ends once every report has been read"
	for name, tc := range map[string]struct {
		status api.TrainingRunStatus
		want   string
	}{
		"a run that is not admitted": {api.TrainingRunStatus{Phase: api.RunPending, Conditions: []metav1.Condition{
			condition(api.ConditionAdmitted, away), condition(api.ConditionRunning, away)}}, "not admitted: " + away},
		"one whose trials have all ended": {
			api.TrainingRunStatus{
				Phase:      api.RunRunning,
				Trials:     []api.TrialStatus{{Name: "d18", Phase: api.TrialSucceeded}},
				Conditions: []metav1.Condition{condition(api.ConditionRunning, reports)},
			},
			"waiting: " + reports,
		},
		"one whose trial says it": {
			api.TrainingRunStatus{
				Phase:  api.RunRunning,
				Trials: []api.TrialStatus{{Name: "d18", Phase: api.TrialStarting, Message: "its pod is being started"}},
				Conditions: []metav1.Condition{
					condition(api.ConditionRunning, "d18 (ContainerStarting): its pod is being started"),
				},
			},
			"d18: its pod is being started",
		},
	} {
		v := view{
			run:   &api.TrainingRun{Status: tc.status},
			now:   clustertest.Noon,
			width: 140,
			style: text.Style{Glyphs: text.Unicode},
		}
		lines := v.lines()
		if last := lines[len(lines)-1]; last != tc.want || lines[len(lines)-2] != "" {
			t.Errorf("%s: want %q alone, got:\n%s", name, tc.want, strings.Join(lines, "\n"))
		}
	}
}
