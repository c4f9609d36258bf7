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

// Sighting is one piece of news of an object that is followed. With neither Object nor Lost, the object is not there
// (yet).
type Sighting struct {
	Object client.Object
	Gone   bool  // it was there and was deleted; Object is the last that was seen of it
	Lost   error // the connection broke; the follower tries again by itself
}

// follower watches one object by name: a list, then a watch from the list's resourceVersion, which is taken up again
// where it ended. It lists again only when the server no longer knows that version.
type follower struct {
	client client.WithWatch
	list   client.ObjectList // an empty list of the object's kind
	key    types.NamespacedName
	see    func(Sighting)

	backoff wait.Backoff // between tries

	version string // to go on from; "" lists first
	uid     types.UID
	last    client.Object
	lost    bool // the last try failed, and see was told
}

// Object calls see with all that happens to the object until ctx ends, the object is deleted, or an error that trying
// again would not mend. An error before the first answer is such an error.
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
		case err != nil && (before == "" && f.uid == "" || hopeless(err)):
			return err
		case err != nil:
			f.lost = true
			f.see(Sighting{Lost: err})
		}
		if f.version != before && f.version != "" { // something came: the server is there
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

// hopeless errors end the same way however often one tries.
func hopeless(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) ||
		apierrors.IsBadRequest(err) || meta.IsNoMatchError(err)
}

// once lists if it must, then watches until the watch ends. A watch that the server closed is no error.
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
	if f.lost { // nothing may have changed meanwhile, so say what still holds
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
			if err := f.event(e); err != nil {
				return err
			}
		}
	}
}

func (f *follower) event(e watch.Event) error {
	if e.Type == watch.Error {
		return apierrors.FromObject(e.Object)
	}
	obj, ok := e.Object.(client.Object)
	if !ok {
		return fmt.Errorf("the cluster sent something other than an object (%T) as news of %q", e.Object, f.key.Name)
	}
	f.version = obj.GetResourceVersion()
	if e.Type == watch.Bookmark {
		return nil
	}
	return f.saw(obj, e.Type == watch.Deleted)
}

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
			return f.saw(obj, false)
		}
	}
	if f.last != nil {
		return f.saw(f.last, true)
	}
	f.see(Sighting{})
	return nil
}

// saw passes on what was seen. Another object under the same name means that the first one was deleted unseen.
func (f *follower) saw(obj client.Object, deleted bool) error {
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

// LostMessage says why a connection was lost, without the address of each request.
func LostMessage(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return "connection lost, trying again: " + text.Clean(err.Error())
}
