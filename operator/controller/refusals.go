package controller

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refusals are why things could not be created just now, by name. A status says so, and forgets it with the operator.
type refusals struct{ last sync.Map }

// tell remembers a refusal, and tells it where it is not what the last attempt was told: a webhook that is down refuses every few seconds
// in the same words.
func (r *refusals) tell(recorder events.EventRecorder, about client.Object, reason string, name types.NamespacedName, err error) {
	if was := r.of(name); was == nil || was.Error() != err.Error() {
		recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Create", "%s", short(err.Error()))
	}
	r.last.Store(name, err)
}

// of is why a thing could not be created; nil: it was, or nobody has tried.
func (r *refusals) of(name types.NamespacedName) error {
	why, ok := r.last.Load(name)
	if !ok {
		return nil
	}
	return why.(error)
}

func (r *refusals) forget(name types.NamespacedName) { r.last.Delete(name) }
