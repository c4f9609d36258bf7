package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamedAsAKubectlPlugin(t *testing.T) {
	root := plumbTree((&program{}).factory(), "/usr/local/bin/kubectl-plumb")
	if want := "  kubectl plumb list  "; !strings.HasPrefix(root.Example, want) {
		t.Errorf("help's example is %q, want it to begin with %q", root.Example, want)
	}
	watch, _, err := root.Find([]string{"watch"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("kubectl plumb watch", watch.CommandPath()); diff != "" {
		t.Error(diff)
	}
}

// whole is the command tree that main runs.
func whole(f *factory) *plumb { return plumbTree(f, "plumb") }

func TestTheWholeTree(t *testing.T) {
	for name, want := range map[string]answer{
		"a command that there is not":   {args: "wacth good", code: 2, err: []string{"unknown command", "watch"}},
		"a flag that there is not":      {args: "list --everything", code: 2, err: []string{"unknown flag: --everything", "See: plumb list --help"}},
		"options lists kubectl's flags": {args: "options", out: []string{"--context", "--kubeconfig"}},
		"version is a flag too":         {args: "--version", out: []string{"plumb  ", "wire 1."}},
		"complete channels":             {args: "__complete dataset synth --channels ", out: []string{"AM\n", "GRAY\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			want.check(t, &program{tree: whole, objects: inspection(t)})
		})
	}
}
