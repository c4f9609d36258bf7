package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// PodTemplate describes the pods of trials and of publishing Jobs. It is not a PodTemplateSpec: kubectl apply's annotation
// could not hold one, and most of it must not be changed here: the security context, the restart policy and the service
// account token are Plumbline's.
//
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",message="every volumeMount must name one of the volumes"
type PodTemplate struct {
	// image of the trainer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image"`
	// imagePullPolicy as in a container.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// imagePullSecrets for the image.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// env for the trainer, beside what Plumbline sets; names that begin with PLUMBLINE_ are refused.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(e, !e.name.startsWith('PLUMBLINE_'))",message="names that begin with PLUMBLINE_ are set by the operator"
	Env []EnvVar `json:"env,omitempty"`
	// volumes that hold data, checkpoints and models.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Volumes []Volume `json:"volumes,omitempty"`
	// volumeMounts of the trainer's container.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=16
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`
	// resources of the trainer's container. The CPU request is how many threads it uses; nvidia.com/gpu promises a GPU, without
	// which a trial refuses to train.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// nodeSelector as in a pod.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations as in a pod.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// priorityClassName as in a pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// runtimeClassName as in a pod: where NVIDIA's runtime is not the nodes' default, its RuntimeClass.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName *string `json:"runtimeClassName,omitempty"`
	// serviceAccountName as in a pod; its token is never mounted.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// labels of the pods, beside Plumbline's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('plumbline.dev/'))",message="labels that begin with plumbline.dev/ are set by the operator"
	Labels map[string]string `json:"labels,omitempty"`
	// annotations of the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Annotations map[string]string `json:"annotations,omitempty"`
	// scratch is the pod's own space, lost with it: reports that are not sent yet and temporary files. Default "2Gi".
	// +optional
	Scratch *resource.Quantity `json:"scratch,omitempty"`
	// terminationGracePeriodSeconds is the time to write a checkpoint when the pod is asked to stop. Default 120.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// EnvVar is a variable with a value or a key of a secret or config map.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.value) && has(self.valueFrom))",message="give value or valueFrom, not both"
type EnvVar struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`
	// value of the variable.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
	// valueFrom takes the value from elsewhere.
	// +optional
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource is where a value comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="give exactly one of secretKeyRef and configMapKeyRef"
type EnvVarSource struct {
	// secretKeyRef is a key of a Secret in the run's namespace.
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
	// configMapKeyRef is a key of a ConfigMap in the run's namespace.
	// +optional
	ConfigMapKeyRef *corev1.ConfigMapKeySelector `json:"configMapKeyRef,omitempty"`
}

// Volume is a source of files that the restricted Pod Security standard admits; hostPath is not among them.
//
// +kubebuilder:validation:XValidation:rule="[has(self.persistentVolumeClaim), has(self.configMap), has(self.secret), has(self.emptyDir), has(self.csi)].filter(x, x).size() == 1",message="give exactly one of persistentVolumeClaim, configMap, secret, emptyDir and csi"
type Volume struct {
	// name that volumeMounts refer to; names that begin with plumbline- are Plumbline's own.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('plumbline-')",message="names that begin with plumbline- are Plumbline's own"
	Name string `json:"name"`
	// persistentVolumeClaim in the run's namespace.
	// +optional
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource `json:"persistentVolumeClaim,omitempty"`
	// configMap in the run's namespace.
	// +optional
	ConfigMap *ConfigMapVolume `json:"configMap,omitempty"`
	// secret in the run's namespace.
	// +optional
	Secret *SecretVolume `json:"secret,omitempty"`
	// emptyDir lives as long as the pod.
	// +optional
	EmptyDir *corev1.EmptyDirVolumeSource `json:"emptyDir,omitempty"`
	// csi is an inline volume of a storage driver.
	// +optional
	CSI *corev1.CSIVolumeSource `json:"csi,omitempty"`
}

// ConfigMapVolume is a ConfigMap as files.
type ConfigMapVolume struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// SecretVolume is a Secret as files.
type SecretVolume struct {
	// secretName of the Secret.
	// +required
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// VolumeMount puts a volume into the container.
//
// +kubebuilder:validation:XValidation:rule="!self.mountPath.startsWith('/plumbline')",message="paths that begin with /plumbline are Plumbline's own"
type VolumeMount struct {
	// name of the volume.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// mountPath in the container.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/[^:]+$`
	MountPath string `json:"mountPath"`
	// subPath of the volume.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	SubPath string `json:"subPath,omitempty"`
	// readOnly mounts it so.
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}
