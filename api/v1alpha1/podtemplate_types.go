package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// PodTemplate describes the pods of trials and of publishing Jobs. It is not a Kubernetes PodTemplateSpec for two
// reasons: the schema of a PodTemplateSpec does not fit into the annotation that kubectl apply writes, and users must
// not set the security context, the restart policy and the service account token, because Plumbline sets them.
//
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",message="every entry of volumeMounts must name one of the volumes: add the volume, or correct the name"
type PodTemplate struct {
	// image is the image of the trainer, such as registry.example.com/plumbline-trainer:v1. It must be built from
	// trainer/Dockerfile, or from trainer/Dockerfile.gpu for NVIDIA GPUs.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image"`
	// imagePullPolicy says when the image is pulled: Always, IfNotPresent or Never. Default, as for every container:
	// Always for the tag latest and for an image without a tag, otherwise IfNotPresent.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// imagePullSecrets names Secrets in the same namespace with the credentials to pull the image. At most 8.
	// Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// env holds more environment variables for the trainer. Plumbline sets those that begin with PLUMBLINE_, which
	// are refused here, and HOME and TMPDIR unless they are given. At most 64. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(e, !e.name.startsWith('PLUMBLINE_'))",message="names that begin with PLUMBLINE_ are set by the operator: choose another name"
	Env []EnvVar `json:"env,omitempty"`
	// volumes holds the volumes with data, checkpoints and models, for volumeMounts to mount. At most 16. Default:
	// none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Volumes []Volume `json:"volumes,omitempty"`
	// volumeMounts says where volumes are mounted in the trainer's container. At most 16. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=16
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`
	// resources is what the trainer's container requests and is limited to. A trial computes with as many CPU threads
	// as its CPU request (or limit, if only that is given), rounded up, at least 1. A trial with nvidia.com/gpu
	// trains on a GPU and fails without one; a trial without it trains on the CPU. Default: none.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// nodeSelector holds the labels that a node must have to run the pods. At most 16. Default: none.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations lists the node taints that the pods tolerate. At most 16. Default: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// priorityClassName is the name of the pods' PriorityClass. Default: the cluster's default.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// runtimeClassName is the name of the pods' RuntimeClass. Set it to that of NVIDIA's runtime where this is not
	// the default runtime of the GPU nodes. Default: the default runtime of the node.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName *string `json:"runtimeClassName,omitempty"`
	// serviceAccountName is the name of the ServiceAccount of the pods, in the same namespace. Its token is never
	// mounted. Default: default.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// labels holds more labels for the pods. Those that begin with plumbline.dev/ are Plumbline's and are refused
	// here. At most 16. Default: none.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('plumbline.dev/'))",message="labels that begin with plumbline.dev/ are set by the operator: choose another name"
	Labels map[string]string `json:"labels,omitempty"`
	// annotations holds annotations for the pods. At most 16. Default: none.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Annotations map[string]string `json:"annotations,omitempty"`
	// scratch is the size limit of the pod's own temporary storage, as a quantity such as 4Gi. It holds reports that
	// were not sent yet and temporary files, and is deleted with the pod. Default: 2Gi.
	// +optional
	Scratch *resource.Quantity `json:"scratch,omitempty"`
	// terminationGracePeriodSeconds is how many seconds a pod that is asked to stop has to write a checkpoint before
	// it is killed. Range: 1 to 3600. Default: 120.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// EnvVar is an environment variable with a value, or with the value of a key of a Secret or ConfigMap.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.value) && has(self.valueFrom))",message="give value or valueFrom, not both"
type EnvVar struct {
	// name is the name of the environment variable. It consists of letters, digits and underscores, and does not
	// begin with a digit.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`
	// value is the value of the environment variable. At most 4096 characters. It cannot be given together with
	// valueFrom. Default: empty.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
	// valueFrom takes the value from a key of a Secret or ConfigMap. It cannot be given together with value.
	// +optional
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource says where the value of an environment variable comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="give exactly one of secretKeyRef and configMapKeyRef"
type EnvVarSource struct {
	// secretKeyRef names a key of a Secret in the same namespace. Exactly one of secretKeyRef and configMapKeyRef
	// must be given.
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
	// configMapKeyRef names a key of a ConfigMap in the same namespace. Exactly one of secretKeyRef and
	// configMapKeyRef must be given.
	// +optional
	ConfigMapKeyRef *corev1.ConfigMapKeySelector `json:"configMapKeyRef,omitempty"`
}

// Volume is a source of files that the restricted Pod Security standard admits. hostPath is not among them.
//
// +kubebuilder:validation:XValidation:rule="[has(self.persistentVolumeClaim), has(self.configMap), has(self.secret), has(self.emptyDir), has(self.csi)].filter(x, x).size() == 1",message="give exactly one of persistentVolumeClaim, configMap, secret, emptyDir and csi"
type Volume struct {
	// name is the name by which volumeMounts refers to the volume. Names that begin with plumbline- are reserved.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('plumbline-')",message="names that begin with plumbline- are reserved for volumes of the operator: choose another name"
	Name string `json:"name"`
	// persistentVolumeClaim names a PersistentVolumeClaim in the same namespace.
	// +optional
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource `json:"persistentVolumeClaim,omitempty"`
	// configMap names a ConfigMap in the same namespace, whose keys become files.
	// +optional
	ConfigMap *ConfigMapVolume `json:"configMap,omitempty"`
	// secret names a Secret in the same namespace, whose keys become files.
	// +optional
	Secret *SecretVolume `json:"secret,omitempty"`
	// emptyDir is a directory that is empty when the pod starts and is deleted with the pod.
	// +optional
	EmptyDir *corev1.EmptyDirVolumeSource `json:"emptyDir,omitempty"`
	// csi is an inline volume of a CSI storage driver.
	// +optional
	CSI *corev1.CSIVolumeSource `json:"csi,omitempty"`
}

// ConfigMapVolume makes each key of a ConfigMap a file.
type ConfigMapVolume struct {
	// name is the name of the ConfigMap, in the same namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// SecretVolume makes each key of a Secret a file.
type SecretVolume struct {
	// secretName is the name of the Secret, in the same namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// VolumeMount mounts a volume into the container.
//
// +kubebuilder:validation:XValidation:rule="!self.mountPath.startsWith('/plumbline')",message="paths that begin with /plumbline are reserved for the operator: choose another mountPath"
type VolumeMount struct {
	// name is the name of one of the volumes.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// mountPath is the absolute path in the container at which the volume appears. It must not contain a colon. Paths
	// that begin with /plumbline are reserved.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/[^:]+$`
	MountPath string `json:"mountPath"`
	// subPath is a directory within the volume, which is mounted in place of its root. Default: the root.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	SubPath string `json:"subPath,omitempty"`
	// readOnly mounts the volume read-only if it is true. Default: false.
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}
