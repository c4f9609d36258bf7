package controller

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refusals holds why objects could not be created at the last try, by name. A run's status shows them. They are in
// memory only.
type refusals struct{ last sync.Map }

// remember keeps a refusal, and records an event unless the last refusal had the same words: a webhook that is down
// refuses every few seconds.
func (r *refusals) remember(recorder events.EventRecorder, about client.Object, reason string, name types.NamespacedName, err error) {
	if was := r.of(name); was == nil || was.Error() != err.Error() {
		recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Create", "%s", shorten(err.Error()))
	}
	r.last.Store(name, err)
}

// of returns why an object could not be created; nil: it was created, or nobody has tried.
func (r *refusals) of(name types.NamespacedName) error {
	why, ok := r.last.Load(name)
	if !ok {
		return nil
	}
	return why.(error)
}

func (r *refusals) forget(name types.NamespacedName) { r.last.Delete(name) }
