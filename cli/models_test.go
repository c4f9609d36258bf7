package main

import "testing"

func TestModelsAnswers(t *testing.T) {
	for name, want := range map[string]answer{
		"models, versions in order": {args: "models", out: []string{"MODEL", "eraser", "2", "yes", "good", "d50", "anna", "file:///models/eraser/2", "eraser", "10", "waiting", "unused"}},
		"one model":                 {args: "models eraser -o name", out: []string{"modelversion.plumbline.dev/eraser-v2\nmodelversion.plumbline.dev/eraser-v10\n"}},
		"a model that is not there": {args: "models nothing", code: 1, err: []string{`model "nothing" does not exist in namespace inspection`}},
	} {
		t.Run(name, func(t *testing.T) {
			want.check(t, &program{tree: verbs(newCmdModels), objects: inspection(t)})
		})
	}
}
