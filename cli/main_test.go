package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/root"
)

func TestNamedAsAKubectlPlugin(t *testing.T) {
	tree := plumbTree((&clustertest.Program{}).Factory(), "/usr/local/bin/kubectl-plumb")
	if want := "  kubectl plumb list  "; !strings.HasPrefix(tree.Example, want) {
		t.Errorf("help's example is %q, want it to begin with %q", tree.Example, want)
	}
	watch, _, err := tree.Find([]string{"watch"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("kubectl plumb watch", watch.CommandPath()); diff != "" {
		t.Error(diff)
	}
}

// whole is the command tree that main runs.
func whole(f *factory.Factory) *root.Plumb { return plumbTree(f, "plumb") }

func TestTheWholeTree(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"a command that there is not": {Args: "wacth good", Code: 2, Err: []string{"unknown command", "watch"}},
		"a flag that there is not": {
			Args: "list --everything",
			Code: 2,
			Err:  []string{"unknown flag: --everything", "See: plumb list --help"},
		},
		"options lists kubectl's flags": {Args: "options", Out: []string{"--context", "--kubeconfig"}},
		"version is a flag too":         {Args: "--version", Out: []string{"plumb  ", "wire 1."}},
		"complete channels": {
			Args: "__complete dataset synth --channels ",
			Out:  []string{"AM\n", "GRAY\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want.Check(t, &clustertest.Program{Tree: whole, Objects: clustertest.Inspection(t)})
		})
	}
}
