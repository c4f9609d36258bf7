package prune

import (
	"fmt"
	"maps"
	"slices"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/text"
	"plumbline.dev/plumbline/wire"
)

// keepList returns the list of what a prune must keep. A run is pruned only if it ended at least olderThan ago, and
// then the bests of all its trials are kept. Every other run is live: nothing of it is removed. The run from which a
// run that has not ended resumes is live, too. keepList returns an error if the location of a checkpoint cannot be
// parsed, because a prune could then remove that checkpoint.
func keepList(
	runs []api.TrainingRun, versions []api.ModelVersion, olderThan time.Duration, unknown bool, now time.Time,
) (wire.KeepList, error) {
	live, old, checkpoints := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var malformed error // the first uri that cannot be parsed
	keepCheckpoint := func(owner, uri string) {
		storePath, ok := wire.StorePath(uri)
		if !ok && malformed == nil {
			malformed = fmt.Errorf("%s names the checkpoint %q, which is not of the form "+
				".../<run uid>/<trial>/<writer>/<name>: nothing is pruned, "+
				"because it is not clear which directory that checkpoint is in",
				owner, text.Clean(uri))
		}
		checkpoints[storePath] = true
	}
	for _, r := range runs {
		over, _ := runstate.Ended(&r)
		over = over && r.Status.CompletionTime != nil
		if over && now.Sub(r.Status.CompletionTime.Time) >= olderThan {
			old[string(r.UID)] = true
		} else {
			live[string(r.UID)] = true
		}
		if from := r.Spec.Checkpoint.ResumeFrom; from != nil && !over {
			live[*from] = true
		}
		if b := r.Status.Best; b != nil {
			keepCheckpoint(fmt.Sprintf("run %s/%s", r.Namespace, r.Name), b.Checkpoint.URI)
		}
		for _, t := range r.Status.Trials {
			if t.Best != nil {
				trial := fmt.Sprintf("trial %s of run %s/%s", text.Clean(t.Name), r.Namespace, r.Name)
				keepCheckpoint(trial, t.Best.Checkpoint.URI)
			}
		}
	}
	for _, v := range versions {
		keepCheckpoint(fmt.Sprintf("model version %s/%s", v.Namespace, v.Name), v.Spec.Checkpoint.URI)
	}
	maps.DeleteFunc(old, func(uid string, _ bool) bool { return live[uid] })
	return wire.KeepList{
		Version:     wire.Version,
		Made:        now.UTC(),
		Live:        slices.Sorted(maps.Keys(live)),
		Ended:       slices.Sorted(maps.Keys(old)),
		Checkpoints: slices.Sorted(maps.Keys(checkpoints)),
		Unknown:     unknown,
		IdleSeconds: int64(olderThan.Seconds()),
	}, malformed
}
