package list

import (
	"testing"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestListAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"list":                   {Args: "list", Golden: "list"},
		"list of all namespaces": {Args: "list -A", Golden: "list-all-namespaces"},
		"list of an empty namespace": {
			Args: "list -n nothing",
			Err: []string{
				`There are no runs in namespace nothing. config/README.md ("The first run") ` +
					`starts one; all namespaces: plumb list -A`,
			},
		},
		"list for scripts": {
			Args: "list -o name",
			Out:  []string{"trainingrun.plumbline.dev/bad\n", "trainingrun.plumbline.dev/good\n"},
		},
		"list as yaml names each kind": {
			Args: "list -o yaml",
			Out:  []string{"kind: TrainingRun", "kind: TrainingRunList"},
		},
		"list in an unknown format": {
			Args: "list -o xml",
			Code: 2,
			Err:  []string{`"xml" is not one of json, yaml, name`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want.Check(t, &clustertest.Program{Tree: clustertest.Verbs(NewCmdList), Objects: clustertest.Inspection(t)})
		})
	}
}
