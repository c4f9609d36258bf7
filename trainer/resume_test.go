package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// A trial that names an older run resumes from that run's checkpoint, or fails and says why. It never starts from the
// beginning instead.
func TestATrialResumesFromAnOlderRunOrSaysWhyNot(t *testing.T) {
	store := undisturbed(t) // of the run run-uid, with two epochs
	for name, test := range map[string]struct {
		change func(*wire.Trial)
		code   int
		reason string
		say    string // a part of the result's message
		log    string // a part of the log
	}{
		"more epochs": {
			change: func(tr *wire.Trial) { tr.Hyperparameters.Epochs = 3 },
			code:   wire.ExitOK,
			reason: "Succeeded",
			log:    "resuming from a checkpoint",
		},
		"other settings": {
			change: func(tr *wire.Trial) { tr.Hyperparameters.LearningRate = 0.5 },
			code:   wire.ExitSettings,
			reason: "BadSettings",
			say:    "hyperparameters.learningRate 0.001, now 0.5",
		},
		"a run that left nothing": {
			change: func(tr *wire.Trial) { tr.Checkpoint.ResumeFrom = "nobody" },
			code:   wire.ExitNoInput,
			reason: "NoInput",
			say:    "run nobody has left no checkpoint of d18",
		},
		"a store that cannot be read": {
			change: func(tr *wire.Trial) { tr.Checkpoint.URI = wire.LocalURI(unreadable(t, store)) },
			code:   wire.ExitStore,
			reason: "StoreFailed",
			say:    "too many levels of symbolic links",
		},
	} {
		t.Run(name, func(t *testing.T) {
			trial := toyTrial(t, store, "")
			trial.Run.UID, trial.Checkpoint.ResumeFrom = "newer-"+strings.ReplaceAll(name, " ", "-"), "run-uid"
			test.change(&trial)
			p := runTrialPod(t, trial, nil)
			p.expect(t, test.code, test.reason, test.say)
			if !strings.Contains(p.log, test.log) {
				t.Errorf("the log does not say %q:\n%s", test.log, p.log)
			}
		})
	}
}

// unreadable returns a copy of a store in which the weights of a resume checkpoint are a link to itself.
func unreadable(t *testing.T, store string) string {
	t.Helper()
	dir := t.TempDir()
	found, err := filepath.Glob(filepath.Join(store, "run-uid/d18/*/resume-e0002-*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no checkpoint in %s, error %v", store, err)
	}
	weights := strings.Replace(found[0], store, dir, 1) + "/" + wire.WeightsFile
	err = errors.Join(os.CopyFS(dir, os.DirFS(store)), os.Remove(weights), os.Symlink(weights, weights))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
