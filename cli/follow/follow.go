package follow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/cli/text"
)

// Sighting is one change of the followed object or of the connection to it. If both Object and Lost are nil, the object
// does not exist yet.
type Sighting struct {
	Object client.Object
	Gone   bool  // the object was deleted; Object is its last known state
	Lost   error // the connection was lost; the follower reconnects by itself
}

// follower watches one object by name. It lists the object, then watches from the list's resourceVersion. When a watch
// ends, the next one resumes from the last version that was received. It lists again only when the server no longer
// has that version.
type follower struct {
	client client.WithWatch
	list   client.ObjectList // an empty list of the object's kind
	key    types.NamespacedName
	see    func(Sighting)

	backoff wait.Backoff // between attempts to connect

	version string        // resourceVersion to watch from; "": list first
	uid     types.UID     // of the object that is followed; "" until it exists
	last    client.Object // its last known state
	lost    bool          // the last attempt failed, and see was called with the error
}

// Object calls see with each change of the object that key names, until ctx ends, the object is deleted, or an error
// occurs that would occur again. It returns nil if the object was deleted. An error before the first answer of the
// server is returned, too. list is an empty list of the object's kind.
func Object(
	ctx context.Context, cl client.WithWatch, list client.ObjectList, key types.NamespacedName, see func(Sighting),
) error {
	backoff := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 7, Cap: 15 * time.Second}
	return (&follower{client: cl, list: list, key: key, see: see, backoff: backoff}).run(ctx)
}

func (f *follower) run(ctx context.Context) error {
	pause := f.backoff
	for {
		before := f.version
		err := f.once(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errGone):
			return nil
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			f.version = ""
		case err != nil && (before == "" && f.uid == "" || permanent(err)):
			return err
		case err != nil:
			f.lost = true
			f.see(Sighting{Lost: err})
		}
		if f.version != before && f.version != "" { // the server has answered, so the next pause is short again
			pause = f.backoff
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause.Step()):
		}
	}
}

var errGone = errors.New("deleted")

// permanent reports whether err would occur again if the request were repeated.
func permanent(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) ||
		apierrors.IsBadRequest(err) || meta.IsNoMatchError(err)
}

// once lists the object if no version is known, then watches until the watch ends. It returns nil if the server closed
// the watch.
func (f *follower) once(ctx context.Context) error {
	if f.version == "" {
		if err := f.relist(ctx); err != nil {
			return err
		}
	}
	fromVersion := f.options(&metav1.ListOptions{ResourceVersion: f.version, AllowWatchBookmarks: true})
	w, err := f.client.Watch(ctx, f.newList(), fromVersion)
	if err != nil {
		return err
	}
	defer w.Stop()
	if f.lost { // the object may not have changed since, so only this call says that the connection is back
		f.lost = false
		f.see(Sighting{Object: f.last})
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-w.ResultChan():
			if !open {
				return nil
			}
			if err := f.handle(e); err != nil {
				return err
			}
		}
	}
}

// handle updates the follower from one event of the watch. It returns errGone if the object was deleted.
func (f *follower) handle(e watch.Event) error {
	if e.Type == watch.Error {
		return apierrors.FromObject(e.Object)
	}
	obj, ok := e.Object.(client.Object)
	if !ok {
		return fmt.Errorf("the watch of %q sent %T, which is not an object", f.key.Name, e.Object)
	}
	f.version = obj.GetResourceVersion()
	if e.Type == watch.Bookmark {
		return nil
	}
	return f.pass(obj, e.Type == watch.Deleted)
}

// relist reads the object's current state and the version to watch from.
func (f *follower) relist(ctx context.Context) error {
	list := f.newList()
	if err := f.client.List(ctx, list, f.options(nil)); err != nil {
		return err
	}
	f.version = list.GetResourceVersion()
	items, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	for _, item := range items {
		if obj, ok := item.(client.Object); ok && obj.GetName() == f.key.Name {
			return f.pass(obj, false)
		}
	}
	if f.last != nil {
		return f.pass(f.last, true)
	}
	f.see(Sighting{})
	return nil
}

// pass calls see with the object's state. If the UID differs, the object that was followed has been deleted and another
// one was created under its name. Then pass passes the deletion, and does not follow the new object.
func (f *follower) pass(obj client.Object, deleted bool) error {
	if f.uid != "" && obj.GetUID() != f.uid {
		obj, deleted = f.last, true
	}
	f.uid, f.last = obj.GetUID(), obj
	f.see(Sighting{Object: obj, Gone: deleted})
	if deleted {
		return errGone
	}
	return nil
}

func (f *follower) newList() client.ObjectList { return f.list.DeepCopyObject().(client.ObjectList) }

func (f *follower) options(raw *metav1.ListOptions) *client.ListOptions {
	return &client.ListOptions{
		Namespace:     f.key.Namespace,
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, f.key.Name),
		Raw:           raw,
	}
}

// LostMessage returns the message for a lost connection. It leaves out the URL of the request, which differs each time.
func LostMessage(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return "connection lost, reconnecting: " + text.Clean(err.Error())
}
