package main

import (
	"fmt"
	"io"
	"os"
)

// ioStreams are the streams of one command line, and how to draw on them.
type ioStreams struct {
	In          io.Reader
	Out, ErrOut io.Writer
	style       style
	dumb        bool // a terminal that cannot be drawn on
}

// systemStreams returns the streams of this process. The environment decides how they are drawn on.
func systemStreams() *ioStreams {
	return &ioStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		style: detectStyle(os.Getenv),
		dumb:  os.Getenv("TERM") == "dumb",
	}
}

// plainStyle returns the style of what is printed and not drawn: without colour.
func (s *ioStreams) plainStyle() style { return style{glyphs: s.style.glyphs} }

// printLines writes lines to standard output, without colour and in full width.
func (s *ioStreams) printLines(lines []line) {
	plain := s.plainStyle()
	for _, l := range lines {
		fmt.Fprintln(s.Out, plain.draw(l, 0))
	}
}
