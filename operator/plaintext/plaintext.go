// Package plaintext cleans text that comes from pods, from Kubernetes and from users, so that a status, an event or a
// log can show it. Both planners clean every message with it.
package plaintext

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes matches the escape sequences that control a terminal: CSI, OSC and two-character sequences.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[@-Z\\\\^_]")

// markup matches the start of an HTML tag or comment. Clean makes it harmless for pages that forget to escape.
var markup = regexp.MustCompile(`<([A-Za-z/!?])`)

// Clean returns s without escape sequences of terminals, with visible replacements for control characters and for
// characters that change the direction of text, and with HTML made harmless. Letters, line breaks and spaces stay.
// Cleaning twice gives the same result as cleaning once.
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

// Cut cleans a message and shortens it to at most n characters. A shortened message ends with "…".
func Cut(s string, n int) string {
	s = Clean(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
