package iostreams

import (
	"fmt"
	"io"
	"os"

	"plumbline.dev/plumbline/cli/text"
)

// IOStreams are the streams of one command line, and how to draw on them.
type IOStreams struct {
	In          io.Reader
	Out, ErrOut io.Writer
	Style       text.Style
	dumb        bool // a terminal that cannot be drawn on
}

// System returns the streams of this process. The environment decides how they are drawn on.
func System() *IOStreams {
	return &IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		Style: text.DetectStyle(os.Getenv),
		dumb:  os.Getenv("TERM") == "dumb",
	}
}

// PlainStyle returns the style of what is printed and not drawn: without colour.
func (s *IOStreams) PlainStyle() text.Style { return text.Style{Glyphs: s.Style.Glyphs} }

// PrintLines writes lines to standard output, without colour and in full width.
func (s *IOStreams) PrintLines(lines []text.Line) {
	plain := s.PlainStyle()
	for _, l := range lines {
		fmt.Fprintln(s.Out, plain.Draw(l, 0))
	}
}
