package podspec

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Reserved paths in a pod. The API server refuses a template that mounts a volume below /plumbline.
const (
	ScratchDir     = "/plumbline/scratch" // an emptyDir; the root file system is read-only
	CredentialDir  = "/plumbline/nats"    // the files of the run's Secret
	KeepListDir    = "/plumbline/prune"   // the keep list of `plumb prune`
	TerminationLog = "/dev/termination-log"
)

// CredentialFile and AuthorityFile are keys of a run's Secret, and so the names of the files in CredentialDir.
const (
	CredentialFile = "user.creds"
	AuthorityFile  = "ca.crt"
)

const (
	// Container is the name of the only container in a trial's pod and in a publishing pod.
	Container = "trainer"

	scratchVolume = "plumbline-scratch"

	// userID is the user of every pod, so that each pod can read files that another pod wrote. In distroless images it
	// is the user "nonroot".
	userID = 65532

	defaultGraceSeconds = 120
)

var defaultScratch = resource.MustParse("2Gi")

// Main is the command that a pod's container runs, and the command's input.
type Main struct {
	Command   string // command of the trainer program: "run" or "publish"
	Variable  string // the environment variable that holds Document
	Document  string // the JSON document that the command reads
	Resources corev1.ResourceRequirements
}

// Template returns the pod of a trial or of a publishing Job. The pod meets the restricted Pod Security standard and
// has no access to the Kubernetes API.
func Template(t api.PodTemplate, m Main) corev1.PodTemplateSpec {
	pod := Base(t)
	pod.TerminationGracePeriodSeconds = ptr.To(ptr.Deref(t.TerminationGracePeriodSeconds, defaultGraceSeconds))
	pod.PriorityClassName = t.PriorityClassName
	pod.RuntimeClassName = t.RuntimeClassName
	pod.NodeSelector = t.NodeSelector
	pod.Tolerations = t.Tolerations
	volumes, mounts := Volumes(t)
	scratch, scratchMount := Scratch(ptr.Deref(t.Scratch, defaultScratch))
	pod.Volumes = append(volumes, scratch)
	pod.Containers = []corev1.Container{{
		Name:                   Container,
		Image:                  t.Image,
		ImagePullPolicy:        t.ImagePullPolicy,
		Args:                   []string{m.Command},
		Env:                    environment(t, m),
		Resources:              m.Resources,
		VolumeMounts:           append(mounts, scratchMount),
		TerminationMessagePath: TerminationLog,
		// A program that crashes writes no termination message, but the end of its log names the cause.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext:          ContainerSecurity(),
	}}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: t.Labels, Annotations: t.Annotations},
		Spec:       pod,
	}
}

// Base returns the fields that all pods share, without containers and volumes.
func Base(t api.PodTemplate) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: ptr.To(false),
		EnableServiceLinks:           ptr.To(false),
		ServiceAccountName:           t.ServiceAccountName,
		ImagePullSecrets:             t.ImagePullSecrets,
		SecurityContext:              podSecurity(),
	}
}

// podSecurity returns the settings that the restricted Pod Security standard requires of a pod.
func podSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot:        ptr.To(true),
		RunAsUser:           ptr.To(int64(userID)),
		RunAsGroup:          ptr.To(int64(userID)),
		FSGroup:             ptr.To(int64(userID)),
		FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// ContainerSecurity returns the settings that the restricted Pod Security standard requires of a container, with a
// read-only root file system.
func ContainerSecurity() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// environment returns the document, the pod's identity, HOME and TMPDIR unless the template sets them, and the
// template's own variables.
func environment(t api.PodTemplate, m Main) []corev1.EnvVar {
	field := func(name, path string) corev1.EnvVar {
		source := &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}
		return corev1.EnvVar{Name: name, ValueFrom: source}
	}
	out := []corev1.EnvVar{
		{Name: m.Variable, Value: escape(m.Document)},
		field(wire.EnvPodUID, "metadata.uid"),
		field(wire.EnvPodName, "metadata.name"),
	}
	inTemplate := map[string]bool{}
	for _, e := range t.Env {
		inTemplate[e.Name] = true
	}
	for _, e := range HomeEnv() {
		if !inTemplate[e.Name] {
			out = append(out, e)
		}
	}
	return append(out, Env(t)...)
}

// escape doubles each $, so that Kubernetes does not expand $(NAME) in a document.
func escape(document string) string { return strings.ReplaceAll(document, "$", "$$") }

// HomeEnv sets HOME and TMPDIR to ScratchDir, because the root file system is read-only.
func HomeEnv() []corev1.EnvVar {
	return []corev1.EnvVar{{Name: "HOME", Value: ScratchDir}, {Name: "TMPDIR", Value: ScratchDir}}
}

// Env returns a template's environment variables as Kubernetes types.
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
