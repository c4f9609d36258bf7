package plan

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"plumbline.dev/plumbline/wire"
)

var tag = regexp.MustCompile(`<[A-Za-z/!?]`)

// unfit returns a part of s that no status may hold, or "".
func unfit(s string) string {
	harmful := func(r rune) bool { return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) }
	if i := strings.IndexFunc(s, harmful); i >= 0 {
		return fmt.Sprintf("%q at %d", s[i:min(len(s), i+4)], i)
	}
	if !utf8.ValidString(s) {
		return "bytes that are not text"
	}
	return tag.FindString(s)
}

// Messages of pods are cleaned and shortened before status, conditions and events show them.
func TestMessagesOfPodsAreCleaned(t *testing.T) {
	evil := "\x1b[31m<script>alert(1)</script>\u202e\r\x00" + strings.Repeat("<b>überlang</b> ", 1000)
	for name, end := range map[string]func(w *world){
		"a termination message": func(w *world) {
			w.exit("d18", wire.ExitData, "Error", wire.Result{Reason: "Bad<b>", Message: evil[:1800], Where: "<i>"})
		},
		"the end of a log": func(w *world) {
			w.exit("d18", 1, "Error", wire.Result{})
			w.pod("d18").Status.ContainerStatuses[0].State.Terminated.Message = "panic: " + evil
		},
		"the pod's status": func(w *world) {
			w.exit("d18", 137, "Error", wire.Result{})
			p := w.pod("d18")
			p.Status.Message, p.Status.Reason = evil, evil
			p.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Message: evil,
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 18)
			w.step("the run is applied")
			w.schedule()
			w.step("its pod is there")
			end(w)
			p := Make(w.input())
			texts := []string{}
			for _, trial := range p.Status.Trials {
				texts = append(texts, trial.Message, trial.Reason)
			}
			for _, c := range p.Status.Conditions {
				texts = append(texts, c.Message, c.Reason)
			}
			for _, e := range p.Events {
				texts = append(texts, e.Message, e.Reason)
			}
			said := false
			for _, s := range texts {
				said = said || strings.Contains(s, "‹script>alert(1)‹/script>")
				if bad := unfit(s); bad != "" || len([]rune(s)) > 4096 {
					t.Errorf("%d characters with %s: %.80q", len([]rune(s)), bad, s)
				}
			}
			if !said || len([]rune(p.Status.Trials[0].Message)) > maxTrialMessage {
				t.Errorf("the trial says: %.200q", p.Status.Trials[0].Message)
			}
		})
	}
}
