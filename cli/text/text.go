package text

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// escapes matches the escape sequences of terminals: CSI, OSC and those of two characters.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[@-Z\\\\^_]")

// StripEscapes returns s without the escape sequences of terminals.
func StripEscapes(s string) string { return escapes.ReplaceAllString(s, "") }

// Clean returns text from a status as one line that is safe on a terminal. A pod's message may contain anything. Clean
// removes escape sequences, turns each stretch of white space into one space, and replaces other control characters,
// characters that reverse the direction of text, and bytes that are not UTF-8 with the replacement character.
func Clean(s string) string {
	s = StripEscapes(s)
	var b strings.Builder
	space := true // so that leading white space is dropped
	for _, r := range s {
		if unicode.IsSpace(r) {
			if !space {
				b.WriteByte(' ')
			}
			space = true
			continue
		}
		space = false
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// Printable returns a line of a log so that it is safe on a terminal. It keeps all spaces, which may align a table.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, StripEscapes(s))
}

// runeWidth returns the number of terminal columns that r takes: 0 for a mark on the letter before it, 2 for a wide
// East Asian character, else 1.
func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r < utf8.RuneSelf:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Columns returns the width of s on a terminal, in columns.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// Truncate cuts s to at most w columns. If it cuts, s ends with mark, which counts as well; a mark wider than w is left
// out.
func Truncate(s string, w int, mark string) string {
	if Columns(s) <= w {
		return s
	}
	if w < Columns(mark) {
		mark = ""
	}
	room := w - Columns(mark)
	for i, r := range s {
		if room -= runeWidth(r); room < 0 {
			return strings.TrimRight(s[:i], " ") + mark
		}
	}
	return s
}

// Pad fills s with spaces up to w columns: on the left if right is true, so that s is aligned to the right.
func Pad(s string, w int, right bool) string {
	fill := strings.Repeat(" ", max(0, w-Columns(s)))
	if right {
		return fill + s
	}
	return s + fill
}

// Wrap breaks s at spaces into at most n lines of at most w columns. If s does not fit, the last line ends with mark.
func Wrap(s string, w, n int, mark string) []string {
	var lines []string
	for s != "" && len(lines) < n {
		if len(lines) == n-1 || Columns(s) <= w {
			return append(lines, Truncate(s, w, mark))
		}
		at := len(Truncate(s, w, ""))
		if at == 0 { // not even one character fits
			return lines
		}
		if i := strings.LastIndexByte(s[:at+1], ' '); i > 0 {
			at = i
		}
		lines = append(lines, s[:at])
		s = strings.TrimPrefix(s[at:], " ")
	}
	return lines
}
