package iostreams

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"plumbline.dev/plumbline/cli/text"
)

// Screen draws lines over the lines that it drew before. The last lines stay on the terminal.
type Screen struct {
	out   io.Writer
	size  func() (width, height int)
	drawn []int // the width in columns of each line that was drawn last
}

// NewScreen returns a screen on w. Draw calls size each time, as the terminal may have been resized; width is in
// columns, height in lines.
func NewScreen(w io.Writer, size func() (width, height int)) *Screen {
	return &Screen{out: w, size: size}
}

// ScreenOn returns a screen for w, or nil if w is not a terminal that can move its cursor.
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

// Size returns the current width of the terminal in columns and its height in lines.
func (s *Screen) Size() (width, height int) { return s.size() }

// Draw replaces the lines that were drawn before. If the terminal has become narrower, it has wrapped these lines over
// more rows, so Draw counts their rows again before it moves the cursor up.
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
	_, _ = s.out.Write(b.Bytes()) // one write, so that the terminal does not flicker
}

// Close shows the cursor again, which Draw has hidden.
func (s *Screen) Close() { _, _ = io.WriteString(s.out, showCursor) }
