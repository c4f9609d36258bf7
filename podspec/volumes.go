package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// Volumes returns a template's volumes and mounts as Kubernetes types.
func Volumes(t api.PodTemplate) (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	for _, v := range t.Volumes {
		source := corev1.VolumeSource{PersistentVolumeClaim: v.PersistentVolumeClaim, EmptyDir: v.EmptyDir, CSI: v.CSI}
		if v.ConfigMap != nil {
			source.ConfigMap = &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: v.ConfigMap.Name},
			}
		}
		if v.Secret != nil {
			source.Secret = &corev1.SecretVolumeSource{SecretName: v.Secret.SecretName}
		}
		volumes = append(volumes, corev1.Volume{Name: v.Name, VolumeSource: source})
	}
	for _, m := range t.VolumeMounts {
		mounts = append(mounts, corev1.VolumeMount{
			Name: m.Name, MountPath: m.MountPath, SubPath: m.SubPath, ReadOnly: m.ReadOnly,
		})
	}
	return volumes, mounts
}

// Scratch returns a volume for a pod's temporary files, at most limit in size, and its mount at ScratchDir.
func Scratch(limit resource.Quantity) (corev1.Volume, corev1.VolumeMount) {
	source := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}
	return corev1.Volume{Name: scratchVolume, VolumeSource: source},
		corev1.VolumeMount{Name: scratchVolume, MountPath: ScratchDir}
}
