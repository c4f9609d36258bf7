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

// keepList says what a prune must leave. A run is pruned only when it ended longer ago than olderThan, and then all its
// trials' bests stay. Everything else that exists is live, and so is what a run that has not ended goes on from. A
// checkpoint that is named and cannot be understood ends it all: what might be removed could be it.
func keepList(
	runs []api.TrainingRun, versions []api.ModelVersion, olderThan time.Duration, unknown bool, now time.Time,
) (wire.Keep, error) {
	live, old, checkpoints := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var odd error
	name := func(what, uri string) {
		place, ok := wire.PlaceOf(uri)
		if !ok && odd == nil {
			odd = fmt.Errorf("%s names the checkpoint %q, which is not of the form "+
				".../<run uid>/<trial>/<writer>/<name>: nothing is pruned while it is not clear what that is",
				what, text.Clean(uri))
		}
		checkpoints[place] = true
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
			name(fmt.Sprintf("run %s/%s", r.Namespace, r.Name), b.Checkpoint.URI)
		}
		for _, t := range r.Status.Trials {
			if t.Best != nil {
				trial := fmt.Sprintf("trial %s of run %s/%s", text.Clean(t.Name), r.Namespace, r.Name)
				name(trial, t.Best.Checkpoint.URI)
			}
		}
	}
	for _, v := range versions {
		name(fmt.Sprintf("model version %s/%s", v.Namespace, v.Name), v.Spec.Checkpoint.URI)
	}
	maps.DeleteFunc(old, func(uid string, _ bool) bool { return live[uid] })
	return wire.Keep{
		Version:     wire.Version,
		Made:        now.UTC(),
		Live:        slices.Sorted(maps.Keys(live)),
		Ended:       slices.Sorted(maps.Keys(old)),
		Checkpoints: slices.Sorted(maps.Keys(checkpoints)),
		Unknown:     unknown,
		IdleSeconds: int64(olderThan.Seconds()),
	}, odd
}
