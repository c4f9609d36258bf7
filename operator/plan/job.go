package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

const (
	// user is the one that both trials and publishing Jobs run as, so that each may read what the other wrote; it is the
	// "nonroot" of distroless images.
	user = 65532

	defaultGraceSeconds = 120
)

// ManagedBy is a label of every Job and pod that the operator makes: what it watches.
const (
	ManagedBy = "app.kubernetes.io/managed-by"
	Manager   = "plumbline-operator"
)

var defaultScratch = resource.MustParse("2Gi")

// JobName is the name of an attempt's Job.
func JobName(run, trial string, attempt int32) string {
	return fmt.Sprintf("%s-%s-a%d", run, trial, attempt)
}

// SecretName is the name of a run's credential. The uid is in it, so that a run of the same name never meets an older one's.
func SecretName(run *api.TrainingRun) string {
	return fmt.Sprintf("%s-nats-%.8s", run.Name, run.UID)
}

// trialJob is the Job of one attempt. It is created once and never changed.
func trialJob(run *api.TrainingRun, depth api.Depth, attempt int32, settings Settings) (*batchv1.Job, error) {
	trial, err := Resolve(run, depth, attempt, settings)
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(trial)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", wire.EnvTrial, err)
	}
	pod := podTemplate(run.Spec.Template, resourcesOf(run, depth), "run", wire.EnvTrial, string(document))
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "plumbline-nats", MountPath: natsDir, ReadOnly: true})
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "plumbline-nats", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: SecretName(run), DefaultMode: ptr(int32(0o440))},
	}})
	labels := map[string]string{
		api.LabelRun:     run.Name,
		api.LabelRunUID:  string(run.UID),
		api.LabelTrial:   trial.Name,
		api.LabelAttempt: fmt.Sprint(attempt),
	}
	for _, l := range []string{QueueLabel, "kueue.x-k8s.io/priority-class"} { // Kueue alone acts on them
		if v, ok := run.Labels[l]; ok {
			labels[l] = v
		}
	}
	owner := metav1.NewControllerRef(run, api.GroupVersion.WithKind("TrainingRun"))
	return job(run.Namespace, JobName(run.Name, trial.Name, attempt), *owner, labels, pod), nil
}

// job wraps a pod in a Job that runs it once: only the operator retries, and only the operator ends anything.
func job(namespace, name string, owner metav1.OwnerReference, labels map[string]string, pod corev1.PodTemplateSpec) *batchv1.Job {
	labels[ManagedBy] = Manager
	all := maps.Clone(pod.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, labels)
	pod.Labels = all
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, OwnerReferences: []metav1.OwnerReference{owner}},
		Spec: batchv1.JobSpec{
			Completions:          ptr(int32(1)),
			Parallelism:          ptr(int32(1)),
			BackoffLimit:         ptr(int32(0)),
			PodReplacementPolicy: ptr(batchv1.Failed), // a pod that is being stopped still owns its writer
			Template:             pod,
		},
	}
}

// podTemplate is a pod that the restricted Pod Security standard admits and that knows nothing of the cluster.
func podTemplate(t api.PodTemplate, resources corev1.ResourceRequirements, arg, env, document string) corev1.PodTemplateSpec {
	scratch := defaultScratch
	if t.Scratch != nil {
		scratch = *t.Scratch
	}
	volumes, mounts := Volumes(t)
	volumes = append(volumes, corev1.Volume{Name: "plumbline-scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &scratch}}})
	mounts = append(mounts, corev1.VolumeMount{Name: "plumbline-scratch", MountPath: scratchDir})
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: t.Labels, Annotations: t.Annotations},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: ptr(or(t.TerminationGracePeriodSeconds, defaultGraceSeconds)),
			AutomountServiceAccountToken:  ptr(false),
			EnableServiceLinks:            ptr(false),
			ServiceAccountName:            t.ServiceAccountName,
			PriorityClassName:             t.PriorityClassName,
			RuntimeClassName:              t.RuntimeClassName,
			NodeSelector:                  t.NodeSelector,
			Tolerations:                   t.Tolerations,
			ImagePullSecrets:              t.ImagePullSecrets,
			Volumes:                       volumes,
			SecurityContext:               PodSecurity(),
			Containers: []corev1.Container{{
				Name:                     container,
				Image:                    t.Image,
				ImagePullPolicy:          t.ImagePullPolicy,
				Args:                     []string{arg},
				Env:                      environment(t, env, document),
				Resources:                resources,
				VolumeMounts:             mounts,
				TerminationMessagePath:   terminationLog,
				TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError, // a crash writes none: its log has the cause
				SecurityContext:          ContainerSecurity(),
			}},
		},
	}
}

func environment(t api.PodTemplate, env, document string) []corev1.EnvVar {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
	}
	out := []corev1.EnvVar{
		{Name: env, Value: escaped(document)},
		field(wire.EnvPodUID, "metadata.uid"),
		field(wire.EnvPodName, "metadata.name"),
	}
	own := map[string]bool{}
	for _, e := range t.Env {
		own[e.Name] = true
	}
	for _, name := range []string{"HOME", "TMPDIR"} { // the root file system is read-only
		if !own[name] {
			out = append(out, corev1.EnvVar{Name: name, Value: scratchDir})
		}
	}
	return append(out, Env(t)...)
}

// PodSecurity and ContainerSecurity are what the restricted Pod Security standard asks of whatever reads or writes what trials wrote:
// plumb's own Jobs are admitted by them as well.
func PodSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(user)), RunAsGroup: ptr(int64(user)), FSGroup: ptr(int64(user)),
		FSGroupChangePolicy: ptr(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// ContainerSecurity goes with PodSecurity.
func ContainerSecurity() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr(false),
		ReadOnlyRootFilesystem:   ptr(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// Env is a template's environment as a pod has it.
func Env(t api.PodTemplate) (out []corev1.EnvVar) {
	for _, e := range t.Env {
		v := corev1.EnvVar{Name: e.Name, Value: e.Value}
		if s := e.ValueFrom; s != nil {
			v.ValueFrom = &corev1.EnvVarSource{SecretKeyRef: s.SecretKeyRef, ConfigMapKeyRef: s.ConfigMapKeyRef}
		}
		out = append(out, v)
	}
	return out
}

// Volumes are a template's volumes and mounts as a pod has them.
func Volumes(t api.PodTemplate) (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	for _, v := range t.Volumes {
		out := corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: v.PersistentVolumeClaim, EmptyDir: v.EmptyDir, CSI: v.CSI}}
		if v.ConfigMap != nil {
			out.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: v.ConfigMap.Name}}
		}
		if v.Secret != nil {
			out.Secret = &corev1.SecretVolumeSource{SecretName: v.Secret.SecretName}
		}
		volumes = append(volumes, out)
	}
	for _, m := range t.VolumeMounts {
		mounts = append(mounts, corev1.VolumeMount{Name: m.Name, MountPath: m.MountPath, SubPath: m.SubPath, ReadOnly: m.ReadOnly})
	}
	return volumes, mounts
}

func ptr[T any](v T) *T { return &v }

// escaped keeps Kubernetes from expanding $(NAME) in a document.
func escaped(document string) string { return strings.ReplaceAll(document, "$", "$$") }
