package plan

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEvent is how many characters an event may have: as many as a condition. What the API server keeps of it is less.
const maxEvent = 4096

// escapes are the sequences that programs write for terminals: CSI, OSC and two-character ones.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[@-Z\\\\^_]")

// markup is where a page that forgets to escape would see a tag or a comment begin.
var markup = regexp.MustCompile(`<([A-Za-z/!?])`)

// plain makes words of a pod, of Kubernetes or of anybody else fit to stand in a status, an event and a log: text and line breaks, and
// nothing that moves a cursor, reverses a line or passes for HTML. Every message goes through it on its way out, in cut and in event.
func plain(s string) string {
	s = escapes.ReplaceAllString(s, "")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return utf8.RuneError
		}
		return r
	}, s)
	return markup.ReplaceAllString(s, "‹$1")
}

// cut makes a message plain and keeps it within n characters.
func cut(s string, n int) string {
	s = plain(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
