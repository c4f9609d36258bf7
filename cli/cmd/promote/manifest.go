package promote

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

const (
	modelsVolume = "models"
	modelsPath   = "/models"
)

// modelManifest returns the manifest of a Model that a person can check and apply. The Model publishes with the run's
// image and with the run's volumes, which hold the checkpoints. It has one more volume, for the registry.
func modelManifest(name string, r *api.TrainingRun) string {
	pod := *r.Spec.Template.DeepCopy()
	// In most runs these settings choose a GPU node. Publishing needs no GPU.
	pod.NodeSelector, pod.Tolerations, pod.RuntimeClassName, pod.Resources.Claims = nil, nil, nil, nil
	delete(pod.Resources.Requests, api.ResourceGPU)
	delete(pod.Resources.Limits, api.ResourceGPU)
	mounted := slices.ContainsFunc(pod.VolumeMounts, func(m api.VolumeMount) bool { return m.MountPath == modelsPath })
	nameTaken := slices.ContainsFunc(pod.Volumes, func(v api.Volume) bool { return v.Name == modelsVolume })
	if !mounted && !nameTaken {
		claim := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: modelsVolume}
		pod.Volumes = append(pod.Volumes, api.Volume{Name: modelsVolume, PersistentVolumeClaim: claim})
		pod.VolumeMounts = append(pod.VolumeMounts, api.VolumeMount{Name: modelsVolume, MountPath: modelsPath})
	}
	model := api.Model{
		TypeMeta:   metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: "Model"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.Namespace},
		Spec:       api.ModelSpec{Registry: api.Registry{URI: "file://" + modelsPath}, Publishing: pod},
	}
	b, err := json.Marshal(model)
	if err != nil {
		return err.Error()
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		return err.Error()
	}
	delete(fields, "status")
	out, err := yaml.Marshal(fields)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
