package iostreams

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"plumbline.dev/plumbline/cli/text"
)

// Screen draws lines over the ones it drew before, and leaves the last ones in the scrollback.
type Screen struct {
	out   io.Writer
	size  func() (width, height int)
	drawn []int // columns of the lines that are on the screen
}

// NewScreen returns a screen on w, whose size may change between two pictures. Width is in columns, height in lines.
func NewScreen(w io.Writer, size func() (width, height int)) *Screen {
	return &Screen{out: w, size: size}
}

// ScreenOn returns a screen for w, or nil when w is no terminal that can be drawn on.
func (s *IOStreams) ScreenOn(w io.Writer) *Screen {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || s.dumb {
		return nil
	}
	return NewScreen(w, func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	})
}

const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearToEOL = "\x1b[K"
	clearBelow = "\x1b[J"
)

// Size returns the columns and lines of the terminal as they are now.
func (s *Screen) Size() (width, height int) { return s.size() }

// Draw replaces what was drawn before. A terminal that became narrower has broken old lines in two, so they are counted
// anew.
func (s *Screen) Draw(lines []string) {
	width, _ := s.Size()
	rows := 0
	for _, n := range s.drawn {
		rows += max(1, (n+width-1)/width)
	}
	var b bytes.Buffer
	b.WriteString(hideCursor)
	if rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", rows)
	}
	s.drawn = s.drawn[:0]
	for _, l := range lines {
		b.WriteString(l + clearToEOL + "\r\n")
		s.drawn = append(s.drawn, text.Columns(text.StripEscapes(l)))
	}
	b.WriteString(clearBelow)
	_, _ = s.out.Write(b.Bytes()) // in one piece: no flicker
}

// Close gives the cursor back.
func (s *Screen) Close() { _, _ = io.WriteString(s.out, showCursor) }
