package clustertest

import (
	"strings"
	"testing"

	"plumbline.dev/plumbline/cli/golden"
)

// Answer is a command line, in words that a space separates, and what it must answer.
type Answer struct {
	Args     string
	Code     int
	Out, Err []string // what stdout and stderr hold, in that order; without Out and Golden, stdout is empty
	Golden   string   // stdout is testdata/<Golden>.golden
}

// Check runs the command line.
func (a Answer) Check(t *testing.T, p *Program) {
	t.Helper()
	if code := p.Run(t, strings.Split(a.Args, " ")...); code != a.Code {
		t.Errorf("exit code %d, want %d", code, a.Code)
	}
	InOrder(t, "stdout", p.Out.String(), a.Out)
	InOrder(t, "stderr", p.Err.String(), a.Err)
	if a.Golden != "" {
		golden.Check(t, a.Golden, p.Out.String())
	}
	if len(a.Out) == 0 && a.Golden == "" && p.Out.Len() > 0 {
		t.Errorf("stdout is not empty:\n%s", p.Out.String())
	}
}
