package text

import "strings"

// Glyphs are the characters that pictures are drawn with.
type Glyphs struct {
	Bar   []rune // of one cell, from empty to full
	Curve []rune // from low to high
	Best  string
	Cut   string // shows that text was cut off
	Dash  string // of an interval
	Dot   string // between parts of a line
}

// The sets of glyphs: Unicode, and ASCII for terminals of another character set.
var (
	Unicode = Glyphs{
		Bar: []rune("░▏▎▍▌▋▊▉█"), Curve: []rune("▁▂▃▄▅▆▇█"),
		Best: "★", Cut: "…", Dash: "–", Dot: "·",
	}
	ASCII = Glyphs{Bar: []rune(".#"), Curve: []rune("_.-~^"), Best: "*", Cut: "~", Dash: "-", Dot: "|"}
)

// Style is how a terminal is drawn on.
type Style struct {
	Glyphs
	Colour bool
}

// DetectStyle reads what the environment says: NO_COLOR (no-color.org), TERM, and a locale that names another character
// set.
func DetectStyle(getenv func(string) string) Style {
	s := Style{Glyphs: Unicode, Colour: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			if l := strings.ToLower(locale); !strings.Contains(l, "utf-8") && !strings.Contains(l, "utf8") {
				s.Glyphs = ASCII
			}
			break
		}
	}
	return s
}

// Paint is an ANSI colour, as the digits of its escape sequence.
type Paint string

// The paints that plumb uses.
const (
	noPaint Paint = ""
	Bold    Paint = "1"
	Dim     Paint = "2"
	Red     Paint = "31"
	Green   Paint = "32"
	Yellow  Paint = "33"
	Cyan    Paint = "36"
)

// Span is text in one colour. Width is counted before colour is added.
type Span struct {
	Text  string
	paint Paint
}

// Line is a row of spans.
type Line []Span

// Plain returns s without colour.
func Plain(s string) Span { return Span{Text: s} }

// Painted returns s in one colour.
func Painted(s string, p Paint) Span { return Span{Text: s, paint: p} }

// Draw renders l in at most w columns; w = 0 does not limit.
func (s Style) Draw(l Line, w int) string {
	var b strings.Builder
	room := w
	for _, sp := range l {
		t := sp.Text
		if w > 0 {
			t = Truncate(t, room, s.Cut)
			room -= Columns(t)
		}
		if s.Colour && sp.paint != noPaint && t != "" {
			b.WriteString("\x1b[" + string(sp.paint) + "m" + t + "\x1b[0m")
		} else {
			b.WriteString(t)
		}
	}
	if s.Colour {
		return b.String()
	}
	return strings.TrimRight(b.String(), " ")
}
