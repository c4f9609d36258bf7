package clustertest

import (
	"strings"
	"testing"
)

// InOrder checks that text, which is called what, holds the parts in that order.
func InOrder(t *testing.T, what, text string, parts []string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		i := strings.Index(rest, part)
		if i < 0 {
			t.Errorf("%s lacks %q, or has it too early:\n%s", what, part, text)
			return
		}
		rest = rest[i+len(part):]
	}
}
