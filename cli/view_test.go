package main

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// TestRunViewGolden holds what plumb watch draws, in every state and at several widths. Read the files as a user would.
func TestRunViewGolden(t *testing.T) {
	for _, state := range []string{"waiting", "running", "failed", "finished", "eventful", "suspended", "odd"} {
		var all strings.Builder
		for _, width := range []int{140, 80, 40} {
			v := runView{run: readRun(t, state), now: noon, width: width, style: style{glyphs: unicodeGlyphs}}
			fmt.Fprintf(&all, "%s\n", strings.Repeat("=", width))
			for _, l := range v.lines() {
				if n := columns(l); n > width {
					t.Errorf("%s at %d columns: a line of %d: %q", state, width, n, l)
				}
				fmt.Fprintln(&all, l)
			}
		}
		golden(t, "view-"+state+".txt", all.String())
	}
}

func TestRunViewOnPoorTerminals(t *testing.T) {
	tests := map[string]struct {
		view runView
		want func(lines []string) bool
	}{
		"nothing is wider than a very narrow one": {
			view: runView{width: 7},
			want: func(lines []string) bool {
				for _, l := range lines {
					if columns(l) > 7 {
						return false
					}
				}
				return len(lines) > 5
			},
		},
		"a low one keeps the rows and drops the words": {
			view: runView{width: 80, height: 9},
			want: func(lines []string) bool {
				return len(lines) == 9 && strings.HasPrefix(lines[8], "  d152")
			},
		},
		"one without Unicode gets ASCII": {
			view: runView{width: 100, style: style{glyphs: asciiGlyphs}},
			want: func(lines []string) bool {
				text := strings.Join(lines, "")
				return strings.IndexFunc(text, func(r rune) bool { return r > 126 }) < 0 && strings.Contains(text, "#####") && strings.Contains(text, "* d34")
			},
		},
		"one with colour gets it outside the counted width": {
			view: runView{width: 80, style: style{glyphs: unicodeGlyphs, colour: true}},
			want: func(lines []string) bool {
				return strings.Contains(lines[0], "\x1b[36mRunning\x1b[0m") && columns(stripEscapes(lines[3])) <= 80
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := tt.view
			v.run, v.now = readRun(t, "running"), noon
			if len(v.style.bar) == 0 {
				v.style = style{glyphs: unicodeGlyphs}
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
		"one whose trials have all ended": {api.TrainingRunStatus{Phase: api.RunRunning, Trials: []api.TrialStatus{{Name: "d18", Phase: api.TrialSucceeded}},
			Conditions: []metav1.Condition{condition(api.ConditionRunning, reports)}}, "waiting: " + reports},
		"one whose trial says it": {api.TrainingRunStatus{Phase: api.RunRunning, Trials: []api.TrialStatus{{Name: "d18", Phase: api.TrialStarting, Message: "its pod is being started"}},
			Conditions: []metav1.Condition{condition(api.ConditionRunning, "d18 (ContainerStarting): its pod is being started")}}, "d18: its pod is being started"},
	} {
		v := runView{run: &api.TrainingRun{Status: tc.status}, now: noon, width: 140, style: style{glyphs: unicodeGlyphs}}
		lines := v.lines()
		if last := lines[len(lines)-1]; last != tc.want || lines[len(lines)-2] != "" {
			t.Errorf("%s: want %q alone, got:\n%s", name, tc.want, strings.Join(lines, "\n"))
		}
	}
}
