package clustertest

import (
	"context"
	"testing"

	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/root"
)

// Options returns what a verb reads off a command line, without running the verb.
func Options[O any](t *testing.T, cmd newCmd[O], args ...string) *O {
	t.Helper()
	var options *O
	keep := func(_ context.Context, o *O) error {
		options = o
		return nil
	}
	p := &Program{Tree: func(f *factory.Factory) *root.Plumb { return root.New(f, "", cmd(f, keep)) }}
	if code := p.Run(t, args...); code != exitcode.OK {
		t.Fatalf("exit code %d: %s", code, p.Err.String())
	}
	return options
}
