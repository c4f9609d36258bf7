package plaintext

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"text with a line break stays": {
			"labels.csv:12: unknown label «größer»\nsay A or B",
			"labels.csv:12: unknown label «größer»\nsay A or B",
		},
		"a comparison stays":                    {"3 < 4, a<=b and x <3", "3 < 4, a<=b and x <3"},
		"colours are dropped":                   {"\x1b[1;31mred\x1b[0m", "red"},
		"a window title is dropped":             {"\x1b]0;owned\x07a", "a"},
		"a carriage return becomes a space":     {"all is well\rrm", "all is well rm"},
		"control characters become visible":     {"a\x00b\x9bc\u009bd", "a\ufffdb\ufffdc\ufffdd"},
		"text is not reversed":                  {"a\u202egnp.exe", "a\ufffdgnp.exe"},
		"a tag after an escape was dropped":     {"<\x1b[0mscript>", "‹script>"},
		"an escape after an escape was dropped": {"\x1b\x1b[0m[2J", "\ufffd[2J"},
		"tags and comments of HTML are harmless": {
			`<script>alert(1)</script><!--<img src=x onerror="y">`,
			`‹script>alert(1)‹/script>‹!--‹img src=x onerror="y">`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(tc.in); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

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

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mx\x1b]0;t\x07\u202e\x9b\x00<b>")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if bad := unfit(got); bad != "" {
			t.Errorf("%q became %q, which has %s", s, got, bad)
		}
		if Clean(got) != got {
			t.Errorf("cleaning %q again changes it", got)
		}
	})
}
