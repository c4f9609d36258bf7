package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// Whoever asks for an older run's progress gets it or is told why not: no trial silently begins anew.
func TestATrialGoesOnFromAnOlderRunsOrSaysWhyNot(t *testing.T) {
	store := undisturbed(t) // run-uid, two epochs
	for name, test := range map[string]struct {
		change func(*wire.Trial)
		code   int
		reason string
		say    string // in the last word
		log    string
	}{
		"more epochs": {func(tr *wire.Trial) { tr.Hyperparameters.Epochs = 3 }, wire.ExitOK, "Succeeded", "", "going on from a checkpoint"},
		"other settings": {func(tr *wire.Trial) { tr.Hyperparameters.LearningRate = 0.5 },
			wire.ExitSettings, "BadSettings", "hyperparameters.learningRate 0.001, now 0.5", ""},
		"a run that left nothing": {func(tr *wire.Trial) { tr.Checkpoint.ResumeFrom = "nobody" },
			wire.ExitNoInput, "NoInput", "run nobody has left no checkpoint of d18", ""},
		"a store that cannot be read": {func(tr *wire.Trial) {
			unread := t.TempDir()
			found, err := filepath.Glob(filepath.Join(store, "run-uid/d18/*/resume-e0002-*"))
			if err != nil || len(found) == 0 {
				t.Fatalf("no checkpoint in %s, error %v", store, err)
			}
			weights := strings.Replace(found[0], store, unread, 1) + "/" + wire.WeightsFile
			if err := errors.Join(os.CopyFS(unread, os.DirFS(store)), os.Remove(weights), os.Symlink(weights, weights)); err != nil { // a link to itself
				t.Fatal(err)
			}
			tr.Checkpoint.URI = wire.LocalURI(unread)
		}, wire.ExitStore, "StoreFailed", "too many levels of symbolic links", ""},
	} {
		t.Run(name, func(t *testing.T) {
			trial := toyTrial(t, store, "")
			trial.Run.UID, trial.Checkpoint.ResumeFrom = "newer-"+strings.ReplaceAll(name, " ", "-"), "run-uid"
			test.change(&trial)
			p := runTrialPod(t, trial, nil)
			if p.code != test.code || p.result.Reason != test.reason || !strings.Contains(p.result.Message, test.say) || !strings.Contains(p.log, test.log) {
				t.Errorf("exit %d, last word %+v, want exit %d, %s: …%s…\n%s", p.code, p.result, test.code, test.reason, test.say, p.log)
			}
		})
	}
}
