package text

import "strings"

// Glyphs are the characters for bars, curves and marks.
type Glyphs struct {
	Bar   []rune // one cell of a progress bar, from empty to full
	Curve []rune // one point of a curve, from low to high
	Best  string // marks the best trial
	Cut   string // shows that text was cut off here
	Dash  string // between the ends of an interval
	Dot   string // between the parts of a line
}

// The two sets of glyphs. ASCII is for terminals whose character set is not UTF-8.
var (
	Unicode = Glyphs{
		Bar: []rune("░▏▎▍▌▋▊▉█"), Curve: []rune("▁▂▃▄▅▆▇█"),
		Best: "★", Cut: "…", Dash: "–", Dot: "·",
	}
	ASCII = Glyphs{Bar: []rune(".#"), Curve: []rune("_.-~^"), Best: "*", Cut: "~", Dash: "-", Dot: "|"}
)

// Style says which glyphs a terminal has, and whether to use colour.
type Style struct {
	Glyphs
	Colour bool
}

// DetectStyle returns the style for these environment variables: NO_COLOR (no-color.org) and TERM=dumb turn colour off;
// a locale without UTF-8 selects ASCII.
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

// Paint is a colour or weight of text, as the digits of its ANSI escape sequence.
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

// Span is text in one paint. Text holds no escape sequences, so that its columns can be counted.
type Span struct {
	Text  string
	paint Paint
}

// Line is a row of spans.
type Line []Span

// Plain returns s without colour.
func Plain(s string) Span { return Span{Text: s} }

// Painted returns s in paint p.
func Painted(s string, p Paint) Span { return Span{Text: s, paint: p} }

// Draw returns l as text of at most w columns. w = 0 means any width.
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
