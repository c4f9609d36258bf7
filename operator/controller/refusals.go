package controller

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refusals holds, by the object's name, why the last try to create an object failed. A run's status shows the reasons.
// They are in memory only: a restarted operator tries again and learns them again.
type refusals struct{ last sync.Map }

// remember keeps the error with which the API server refused to create the named object, and records an event about the
// object that needs it. It records no event if the last refusal had the same text, because the operator tries again
// every few seconds.
func (r *refusals) remember(
	recorder events.EventRecorder, about client.Object, reason string, name types.NamespacedName, err error,
) {
	if last := r.of(name); last == nil || last.Error() != err.Error() {
		recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Create", "%s", shorten(err.Error()))
	}
	r.last.Store(name, err)
}

// of returns why an object could not be created at the last try. It returns nil if the object was created or nobody has
// tried.
func (r *refusals) of(name types.NamespacedName) error {
	err, ok := r.last.Load(name)
	if !ok {
		return nil
	}
	return err.(error)
}

// forget drops the refusal of an object that has been created.
func (r *refusals) forget(name types.NamespacedName) { r.last.Delete(name) }
