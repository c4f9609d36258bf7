package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// volumes makes the volumes of one pod, and keeps those fresh whose files come from the API.
type volumes struct {
	client      kubernetes.Interface
	dir         string // STATE/node/pods/UID/volumes
	allocatable corev1.ResourceList

	issued map[string]issuedToken // by VOLUME/PATH
}

// issuedToken is a service account token and the time from which it is renewed.
type issuedToken struct {
	value   string
	renewAt time.Time
}

// prepare makes the volumes and returns their directories on this machine by name. It may be
// called again after an error; then it keeps the directories that exist.
func (v *volumes) prepare(ctx context.Context, pod *corev1.Pod) (map[string]string, error) {
	dirs := map[string]string{}
	for i := range pod.Spec.Volumes {
		vol := &pod.Spec.Volumes[i]
		if claim := vol.PersistentVolumeClaim; claim != nil {
			dir, err := v.claimed(ctx, pod.Namespace, claim.ClaimName)
			if err != nil {
				return nil, fmt.Errorf("volume %s: %w", vol.Name, err)
			}
			dirs[vol.Name] = dir
			continue
		}
		dir := filepath.Join(v.dir, vol.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("volume %s: %w", vol.Name, err)
		}
		dirs[vol.Name] = dir
	}
	return dirs, v.refresh(ctx, pod)
}

// refresh writes changed files of the volumes whose files come from the API. A reader sees
// the old files or the new ones, never a mixture: the link ..data changes in one step.
func (v *volumes) refresh(ctx context.Context, pod *corev1.Pod) error {
	var errs []error
	for i := range pod.Spec.Volumes {
		vol := &pod.Spec.Volumes[i]
		issuer := func(volume string, from *corev1.ServiceAccountTokenProjection) (string, error) {
			return v.token(ctx, pod, volume, from)
		}
		files, ok, err := buildPayload(pod, vol, v.allocatable, apiSource(ctx, v.client, pod.Namespace), issuer)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !ok {
			continue
		}
		w, err := volumeutil.NewAtomicWriter(filepath.Join(v.dir, vol.Name), pod.Namespace+"/"+pod.Name)
		if err == nil {
			err = w.Write(files, nil)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("volume %s: %w", vol.Name, err))
		}
	}
	return errors.Join(errs...)
}

// token returns a token that is bound to the pod. It requests a token when there is none or
// the last one must be renewed.
func (v *volumes) token(
	ctx context.Context, pod *corev1.Pod, volume string, from *corev1.ServiceAccountTokenProjection,
) (string, error) {
	key := volume + "/" + from.Path
	if t, ok := v.issued[key]; ok && time.Now().Before(t.renewAt) {
		return t.value, nil
	}
	req := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: from.ExpirationSeconds,
		BoundObjectRef: &authv1.BoundObjectReference{
			Kind:       "Pod",
			APIVersion: "v1",
			Name:       pod.Name,
			UID:        pod.UID,
		},
	}}
	if from.Audience != "" {
		req.Spec.Audiences = []string{from.Audience}
	}
	requested := time.Now()
	account := pod.Spec.ServiceAccountName
	got, err := v.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, account, req, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request a token of service account %s: %w", account, err)
	}
	// The kubelet, too, renews a token at four fifths of its requested life. The API server
	// may let the token live longer, for clients that never read the file again.
	life := time.Duration(*got.Spec.ExpirationSeconds) * time.Second
	v.issued[key] = issuedToken{got.Status.Token, requested.Add(life * 4 / 5)}
	return got.Status.Token, nil
}

// nextRenewal returns the time at which the first token must be renewed. It is zero if there
// are no tokens.
func (v *volumes) nextRenewal() time.Time {
	var first time.Time
	for _, t := range v.issued {
		if first.IsZero() || t.renewAt.Before(first) {
			first = t.renewAt
		}
	}
	return first
}

// claimed returns the directory of the PersistentVolume that a claim is bound to.
func (v *volumes) claimed(ctx context.Context, namespace, name string) (string, error) {
	claim, err := v.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read claim %s: %w", name, err)
	}
	if claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName == "" {
		return "", fmt.Errorf("claim %s is %s, not Bound", name, claim.Status.Phase)
	}
	pv, err := v.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the volume of claim %s: %w", name, err)
	}
	var dir string
	switch {
	case pv.Spec.Local != nil:
		dir = pv.Spec.Local.Path
	case pv.Spec.HostPath != nil:
		dir = pv.Spec.HostPath.Path
	default:
		return "", fmt.Errorf("PersistentVolume %s is not over a local directory; make one with `localcluster volume`",
			pv.Name)
	}
	if err := cluster.CheckPath(dir); err != nil {
		return "", fmt.Errorf("PersistentVolume %s: %w", pv.Name, err)
	}
	if st, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("PersistentVolume %s: %w", pv.Name, err)
	} else if !st.IsDir() {
		return "", fmt.Errorf("PersistentVolume %s: %s is not a directory", pv.Name, dir)
	}
	return filepath.Clean(dir), nil
}

// apiSource returns a source that reads from the API server as the node. The node may read
// only the objects that its pods name.
func apiSource(ctx context.Context, client kubernetes.Interface, namespace string) source {
	return func(kind, name string) (map[string][]byte, bool, error) {
		if kind == kindSecret {
			s, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return nil, false, ignoreNotFound(err, "Secret", name)
			}
			return s.Data, true, nil
		}
		m, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, false, ignoreNotFound(err, "ConfigMap", name)
		}
		data := map[string][]byte{}
		for k, s := range m.Data {
			data[k] = []byte(s)
		}
		for k, b := range m.BinaryData {
			data[k] = b
		}
		return data, true, nil
	}
}

// ignoreNotFound returns nil if err says that the object does not exist.
func ignoreNotFound(err error, kind, name string) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("read %s %q: %w", kind, name, err)
}

// watchSources calls changed whenever a ConfigMap or Secret of the pod's volumes may have
// changed, until ctx ends.
func watchSources(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, changed func()) {
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	}
	for ref := range volumeSources(pod) {
		plural, object := "configmaps", runtime.Object(&corev1.ConfigMap{})
		if ref.kind == kindSecret {
			plural, object = "secrets", &corev1.Secret{}
		}
		named := fields.OneTermEqualSelector("metadata.name", ref.name)
		_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
			ListerWatcher: cache.NewListWatchFromClient(client.CoreV1().RESTClient(), plural, pod.Namespace, named),
			ObjectType:    object,
			Handler:       handler,
		})
		go informer.RunWithContext(ctx)
	}
}

// sourceRef names a ConfigMap or Secret.
type sourceRef struct{ kind, name string }

// volumeSources returns the ConfigMaps and Secrets of the pod's volumes.
func volumeSources(pod *corev1.Pod) map[sourceRef]bool {
	refs := map[sourceRef]bool{}
	add := func(m *corev1.ConfigMapProjection, s *corev1.SecretProjection) {
		if m != nil {
			refs[sourceRef{kindConfigMap, m.Name}] = true
		}
		if s != nil {
			refs[sourceRef{kindSecret, s.Name}] = true
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.ConfigMap != nil {
			refs[sourceRef{kindConfigMap, v.ConfigMap.Name}] = true
		}
		if v.Secret != nil {
			refs[sourceRef{kindSecret, v.Secret.SecretName}] = true
		}
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				add(s.ConfigMap, s.Secret)
			}
		}
	}
	return refs
}
