package clustertest

import (
	"strings"
	"testing"

	"plumbline.dev/plumbline/cli/golden"
)

// Answer is a command line and the exit code and output that it must have.
type Answer struct {
	Args     string   // the command line, split at each space
	Code     int      // the exit code
	Out, Err []string // parts of stdout and stderr, in order; without Out and Golden stdout must be empty
	Golden   string   // stdout must equal testdata/<Golden>.golden
}

// Check runs the command line and compares the outcome.
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
