package text

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// escapes are the sequences that programs write for terminals: CSI, OSC and two-character ones.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[@-Z\\\\^_]")

// StripEscapes removes the escape sequences that programs write for terminals.
func StripEscapes(s string) string { return escapes.ReplaceAllString(s, "") }

// Clean makes text from a status safe on a terminal and puts it on one line. A pod's message may hold anything: escape
// sequences are dropped whole, white space becomes one space, and what else could move the cursor, reverse the line or
// is not text at all becomes the replacement character.
func Clean(s string) string {
	s = StripEscapes(s)
	var b strings.Builder
	space := true // drops leading white space
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

// Printable makes a line of a log safe on a terminal and leaves its spaces, which may be a table's.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, StripEscapes(s))
}

// runeWidth is how many columns of a terminal r takes: 0 for marks on the letter before, 2 for East Asian wide ones.
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

// Columns is how wide s is on a terminal.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// Truncate cuts s to at most w columns; what was cut off is shown by mark.
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

// Pad fills s with spaces up to w columns.
func Pad(s string, w int, right bool) string {
	fill := strings.Repeat(" ", max(0, w-Columns(s)))
	if right {
		return fill + s
	}
	return s + fill
}

// Wrap breaks s at spaces into at most n lines of w columns; what does not fit is cut off with mark.
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
