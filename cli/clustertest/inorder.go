package clustertest

import (
	"strings"
	"testing"
)

// InOrder checks that output contains the parts, in that order. name is the output's name in a failure, such as stdout.
func InOrder(t *testing.T, name, output string, parts []string) {
	t.Helper()
	rest := output
	for _, part := range parts {
		i := strings.Index(rest, part)
		if i < 0 {
			t.Errorf("%s does not contain %q, or contains it too early:\n%s", name, part, output)
			return
		}
		rest = rest[i+len(part):]
	}
}
