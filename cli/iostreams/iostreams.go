package iostreams

import (
	"fmt"
	"io"
	"os"

	"plumbline.dev/plumbline/cli/text"
)

// IOStreams holds the input and output of one command line, and the style in which to write.
type IOStreams struct {
	In          io.Reader
	Out, ErrOut io.Writer
	Style       text.Style
	dumb        bool // the terminal cannot move its cursor (TERM=dumb)
}

// System returns the streams of this process. The style comes from environment variables.
func System() *IOStreams {
	return &IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		Style: text.DetectStyle(os.Getenv),
		dumb:  os.Getenv("TERM") == "dumb",
	}
}

// PlainStyle returns the style without colour, for output that stays when it has been printed.
func (s *IOStreams) PlainStyle() text.Style { return text.Style{Glyphs: s.Style.Glyphs} }

// PrintLines writes lines to standard output, without colour and in full width.
func (s *IOStreams) PrintLines(lines []text.Line) {
	plain := s.PlainStyle()
	for _, l := range lines {
		fmt.Fprintln(s.Out, plain.Draw(l, 0))
	}
}
