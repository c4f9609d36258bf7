package text

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain text stays": {
			"labels.csv:12: unknown label",
			"labels.csv:12: unknown label",
		},
		"white space becomes one space":                      {"\n a\r\n\tb \u2028 c\n", "a b c"},
		"colours are dropped":                                {"\x1b[1;31mred\x1b[0m", "red"},
		"a title or a link is dropped":                       {"\x1b]0;owned\x07a\x1b]8;;http://x\x1b\\b", "ab"},
		"half an escape sequence is made visible":            {"a\x1b", "a\ufffd"},
		"C1 controls are made visible":                       {"a\u009b2Jb", "a\ufffd2Jb"},
		"text is not reversed":                               {"a\u202egnp.exe", "a\ufffdgnp.exe"},
		"what is not UTF-8 is made visible":                  {"a\xffb", "a\ufffdb"},
		"HTML is text":                                       {"<b>x</b> &amp;", "<b>x</b> &amp;"},
		"a sequence that removing another would make is not": {"\x1b\x1b[0m[2J", "\ufffd[2J"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Clean(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mx\x1b]0;t\x07\u202e\x9b\x00")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		unsafe := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
		if strings.ContainsFunc(got, unsafe) {
			t.Errorf("%q became %q", s, got)
		}
		for _, w := range []int{0, 1, 7, 80} {
			if n := Columns(Truncate(got, w, "…")); n > w {
				t.Errorf("%q cut to %d columns takes %d", got, w, n)
			}
			for _, l := range Wrap(got, w, 3, "…") {
				if Columns(l) > w {
					t.Errorf("%q wrapped at %d has a line of %d", got, w, Columns(l))
				}
			}
		}
	})
}

func TestWrap(t *testing.T) {
	tests := map[string]struct {
		in   string
		w, n int
		want []string
	}{
		"breaks at spaces": {
			"the label is unknown",
			10,
			3,
			[]string{"the label", "is unknown"},
		},
		"a word that is too long is broken":          {"abcdefghij k", 4, 9, []string{"abcd", "efgh", "ij k"}},
		"what does not fit is cut":                   {"one two three four", 5, 2, []string{"one", "two…"}},
		"wide characters count twice and stay whole": {"図図図 x", 5, 9, []string{"図図", "図 x"}},
		"a mark stays with its letter": {
			"e\u0301e\u0301e\u0301",
			2,
			9,
			[]string{"e\u0301e\u0301", "e\u0301"},
		},
		"a width that holds nothing gives no endless": {"図", 1, 9, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Wrap(tt.in, tt.w, tt.n, "…")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
