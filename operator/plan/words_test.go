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

// unfit finds what no status may hold.
func unfit(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) }); i >= 0 {
		return fmt.Sprintf("%q at %d", s[i:min(len(s), i+4)], i)
	}
	if !utf8.ValidString(s) {
		return "bytes that are no text"
	}
	return tag.FindString(s)
}

// Whatever a pod leaves as its last word, status, conditions and events are fit to be shown, and as long as the API
// server takes.
func TestAPodsLastWordIsMadePlain(t *testing.T) {
	evil := "\x1b[31m<script>alert(1)</script>\u202e\r\x00" + strings.Repeat("<b>überlang</b> ", 1000)
	for name, end := range map[string]func(w *world){
		"a result": func(w *world) {
			w.exit("d18", wire.ExitData, "Error", wire.Result{Reason: "Bad<b>", Message: evil[:1800], Where: "<i>"})
		},
		"a log": func(w *world) {
			w.exit("d18", 1, "Error", wire.Result{})
			w.pod("d18").Status.ContainerStatuses[0].State.Terminated.Message = "panic: " + evil
		},
		"a pod's own": func(w *world) {
			w.exit("d18", 137, "Error", wire.Result{})
			p := w.pod("d18")
			p.Status.Message, p.Status.Reason = evil, evil
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Message: evil}}
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
			if !said || len([]rune(p.Status.Trials[0].Message)) > maxMessage {
				t.Errorf("the trial says: %.200q", p.Status.Trials[0].Message)
			}
		})
	}
}
