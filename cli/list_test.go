package main

import "testing"

func TestListAnswers(t *testing.T) {
	for name, want := range map[string]answer{
		"list":                         {args: "list", out: []string{"NAME", "bad", "Failed", "5/5", "good", "Succeeded", "d50", "0.9058", "38/40", "10m"}},
		"list of all namespaces":       {args: "list -A", out: []string{"NAMESPACE", "inspection", "lab", "elsewhere"}},
		"list of an empty namespace":   {args: "list -n nothing", err: []string{`There are no runs in namespace nothing. config/README.md ("The first run") starts one; all namespaces: plumb list -A`}},
		"list for scripts":             {args: "list -o name", out: []string{"trainingrun.plumbline.dev/bad\n", "trainingrun.plumbline.dev/good\n"}},
		"list as yaml names each kind": {args: "list -o yaml", out: []string{"kind: TrainingRun", "kind: TrainingRunList"}},
		"list in an unknown format":    {args: "list -o xml", code: 2, err: []string{`"xml" is not one of json, yaml, name`}},
	} {
		t.Run(name, func(t *testing.T) {
			want.check(t, &program{tree: verbs(newCmdList), objects: inspection(t)})
		})
	}
}
