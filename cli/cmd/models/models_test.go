package models

import (
	"testing"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestModelsAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"models, versions in order": {Args: "models", Golden: "models"},
		"models of all namespaces":  {Args: "models -A", Golden: "models-all-namespaces"},
		"one model": {
			Args: "models eraser -o name",
			Out:  []string{"modelversion.plumbline.dev/eraser-v2\nmodelversion.plumbline.dev/eraser-v10\n"},
		},
		"a model that is not there": {
			Args: "models nothing",
			Code: 1,
			Err:  []string{`model "nothing" does not exist in namespace inspection`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdModels), Objects: clustertest.Inspection(t)}
			want.Check(t, p)
		})
	}
}
