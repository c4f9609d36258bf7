package main

import "strings"

// glyphs are the characters that pictures are drawn with.
type glyphs struct {
	bar   []rune // of one cell, from empty to full
	curve []rune // from low to high
	best  string
	cut   string // shows that text was cut off
	dash  string // of an interval
	dot   string // between parts of a line
}

var (
	unicodeGlyphs = glyphs{
		bar: []rune("░▏▎▍▌▋▊▉█"), curve: []rune("▁▂▃▄▅▆▇█"), best: "★", cut: "…", dash: "–", dot: "·",
	}
	asciiGlyphs = glyphs{bar: []rune(".#"), curve: []rune("_.-~^"), best: "*", cut: "~", dash: "-", dot: "|"}
)

// style is how a terminal is drawn on.
type style struct {
	glyphs
	colour bool
}

// detectStyle reads what the environment says: NO_COLOR (no-color.org), TERM, and a locale that names another character set.
func detectStyle(getenv func(string) string) style {
	s := style{glyphs: unicodeGlyphs, colour: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			if l := strings.ToLower(locale); !strings.Contains(l, "utf-8") && !strings.Contains(l, "utf8") {
				s.glyphs = asciiGlyphs
			}
			break
		}
	}
	return s
}

// paint is an ANSI colour, as the digits of its escape sequence.
type paint string

const (
	noPaint paint = ""
	bold    paint = "1"
	dim     paint = "2"
	red     paint = "31"
	green   paint = "32"
	yellow  paint = "33"
	cyan    paint = "36"
)

// span is text in one colour, line a row of spans. Width is counted before colour is added.
type span struct {
	text  string
	paint paint
}

type line []span

// plain returns s without colour.
func plain(s string) span { return span{text: s} }

// painted returns s in one colour.
func painted(s string, p paint) span { return span{text: s, paint: p} }

// draw renders l in at most w columns; w = 0 does not limit.
func (s style) draw(l line, w int) string {
	var b strings.Builder
	room := w
	for _, sp := range l {
		t := sp.text
		if w > 0 {
			t = truncate(t, room, s.cut)
			room -= columns(t)
		}
		if s.colour && sp.paint != noPaint && t != "" {
			b.WriteString("\x1b[" + string(sp.paint) + "m" + t + "\x1b[0m")
		} else {
			b.WriteString(t)
		}
	}
	if s.colour {
		return b.String()
	}
	return strings.TrimRight(b.String(), " ")
}
