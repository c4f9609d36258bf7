package e2e

import (
	"strings"
	"testing"
)

// TestAPIServerKeepsSpecsImmutable adds, changes and removes each field that must not change, on runs that exist.
func TestAPIServerKeepsSpecsImmutable(t *testing.T) {
	full := validRun()
	at(full, "metadata")["name"] = "immutable"
	at(full, "spec")["parallelism"] = 1
	fields := map[string]struct{ before, after any }{
		"pretrained": {
			before: object{"uri": "file:///w/resnet{depth}.safetensors"},
			after:  object{"uri": "file:///v/resnet{depth}.safetensors"},
		},
		"earlyStopping": {
			before: object{"patience": 3},
			after:  object{"patience": 4},
		},
		"overrides": {
			before: []any{object{"depth": 18, "epochs": 2}},
			after:  []any{object{"depth": 18, "epochs": 3}},
		},
		"hyperparameters": {
			before: object{"epochs": 2, "warmupEpochs": 0},
			after:  object{"epochs": 3, "warmupEpochs": 0},
		},
		"imbalance": {
			before: object{"lossWeight": "0"},
			after:  object{"lossWeight": "1"},
		},
		"objective": {
			before: object{"tieMargin": "0"},
			after:  object{"tieMargin": "0.1"},
		},
		"failurePolicy": {
			before: object{"maxRetries": 1},
			after:  object{"maxRetries": 2},
		},
		"activeDeadlineSeconds": {before: 3600, after: 7200},
		"stallTimeoutSeconds":   {before: 600, after: 0},
		"nodeLossSeconds":       {before: 60, after: 0},
	}
	// Two runs: one with every optional field and one with none. They name an image that no node has, so they never
	// train.
	bare := clone(full)
	at(bare, "metadata")["name"] = "immutable-bare"
	for name, f := range fields {
		at(full, "spec")[name] = f.before
	}
	for _, o := range []object{full, bare} {
		at(o, "spec", "template")["image"] = "plumbline.dev/nobody-has-this:dev"
		apply(t, o)
		t.Cleanup(func() {
			kubectl(t, "delete", "trun", at(o, "metadata")["name"].(string), "-n", "default", "--ignore-not-found")
		})
	}
	wantRefusal := func(t *testing.T, o object, field string) {
		t.Helper()
		out, err := replace(t, o)
		if want := field + " cannot change"; err == nil || !strings.Contains(out, want) {
			t.Errorf("want a refusal with %q, got %v\n%s", want, err, out)
		}
	}
	for name, f := range fields {
		t.Run("changing "+name, func(t *testing.T) {
			o := clone(full)
			at(o, "spec")[name] = f.after
			wantRefusal(t, o, name)
		})
		t.Run("removing "+name, func(t *testing.T) {
			o := clone(full)
			delete(at(o, "spec"), name)
			wantRefusal(t, o, name)
		})
		t.Run("adding "+name, func(t *testing.T) {
			o := clone(bare)
			at(o, "spec")[name] = f.after
			wantRefusal(t, o, name)
		})
	}
	for name, change := range map[string]func(spec object){
		"depths":     func(s object) { s["depths"] = []any{18} },
		"dataset":    func(s object) { at(s, "dataset")["corrections"] = "file:///data/corrections.csv" },
		"checkpoint": func(s object) { at(s, "checkpoint")["keepLast"] = 3 },
		"template":   func(s object) { at(s, "template")["image"] = "another" },
	} {
		t.Run("changing "+name, func(t *testing.T) {
			o := clone(full)
			change(at(o, "spec"))
			wantRefusal(t, o, name)
		})
	}
	for field, value := range map[string]any{
		"parallelism":             2,
		"suspend":                 true,
		"stopTrials":              []any{"d18"},
		"ttlSecondsAfterFinished": 3600,
	} {
		t.Run(field+" may change", func(t *testing.T) {
			o := clone(full)
			at(o, "spec")[field] = value
			if out, err := replace(t, o); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
