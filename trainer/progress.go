package main

import (
	"fmt"
	"strings"
	"time"
)

// count draws how far work has come that is no training. Where nobody looks at a terminal it says nothing.
func (s *screen) count(doing string, done, total int) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); done < total && now.Sub(s.drawn) < redraw {
		return
	} else {
		s.drawn = now
	}
	s.erase()
	const width = 24
	filled := width * done / max(1, total)
	s.bar = fmt.Sprintf("%s [%s%s] %*d/%d", doing, strings.Repeat("=", filled), strings.Repeat(" ", width-filled), len(fmt.Sprint(total)), done, total)
	fmt.Fprint(s.w, s.bar)
}
