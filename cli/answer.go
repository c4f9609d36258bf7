package main

import (
	"strings"
	"testing"
)

// answer is a command line, in words that a space separates, and what it must answer.
type answer struct {
	args     string
	code     int
	out, err []string // what stdout and stderr hold, in that order; without out, stdout is empty
}

// check runs the command line.
func (a answer) check(t *testing.T, p *program) {
	t.Helper()
	if code := p.run(t, strings.Split(a.args, " ")...); code != a.code {
		t.Errorf("exit code %d, want %d", code, a.code)
	}
	inOrder(t, "stdout", p.out.String(), a.out)
	inOrder(t, "stderr", p.err.String(), a.err)
	if len(a.out) == 0 && p.out.Len() > 0 {
		t.Errorf("stdout is not empty:\n%s", p.out.String())
	}
}
