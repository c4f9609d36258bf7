package iostreams

import (
	"bytes"
	"strings"
	"testing"
)

func TestScreenDrawsOverWhatItDrew(t *testing.T) {
	var out bytes.Buffer
	width := 40
	s := NewScreen(&out, func() (int, int) { return width, 24 })
	s.Draw([]string{"one", strings.Repeat("x", 40)})
	first := out.String()
	out.Reset()
	width = 20 // the second line now takes two rows
	s.Draw([]string{"two"})
	if strings.Contains(first, "\x1b[2A") || strings.Contains(first, "A\r") {
		t.Errorf("the first picture moves the cursor up: %q", first)
	}
	if want := "\x1b[?25l\x1b[3A\rtwo\x1b[K\r\n\x1b[J"; out.String() != want {
		t.Errorf("drew %q, want %q", out.String(), want)
	}
	s.Close()
	if !strings.HasSuffix(out.String(), showCursor) {
		t.Error("the cursor is not given back")
	}
}
