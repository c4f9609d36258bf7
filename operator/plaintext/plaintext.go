// Package plaintext makes text of pods, of Kubernetes and of users fit for a status, an event and a log. Both planners
// pass every message through it.
package plaintext

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes are the sequences that programs write for terminals: CSI, OSC and two-character ones.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[@-Z\\\\^_]")

// markup matches the start of an HTML tag or comment, for the sake of a page that forgets to escape.
var markup = regexp.MustCompile(`<([A-Za-z/!?])`)

// Clean returns s without anything that moves a terminal's cursor, reverses a line or passes for HTML. Letters, line
// breaks and spaces stay. Cleaning twice gives the same as cleaning once.
func Clean(s string) string {
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

// Cut cleans a message and shortens it to at most n characters.
func Cut(s string, n int) string {
	s = Clean(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
