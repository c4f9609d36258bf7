package publishing

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// job returns the Job of an attempt to publish. The version owns the Job, so Kubernetes deletes the Job with the
// version; the published files stay. The Job has no NATS credential, because it reports through its termination message
// alone.
func job(v *api.ModelVersion, m *api.Model, number int32, document string) *batchv1.Job {
	pod := podspec.Template(m.Spec.Publishing, podspec.Main{
		Command:   "publish",
		Variable:  wire.EnvPublication,
		Document:  document,
		Resources: m.Spec.Publishing.Resources,
	})
	owner := metav1.NewControllerRef(v, api.GroupVersion.WithKind("ModelVersion"))
	return podspec.Job(v.Namespace, jobName(v.Name, number), *owner, map[string]string{
		api.LabelModel:   v.Spec.Model,
		api.LabelVersion: fmt.Sprint(v.Spec.Version),
		api.LabelAttempt: fmt.Sprint(number),
	}, pod)
}
