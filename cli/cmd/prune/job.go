package prune

import (
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

const (
	container = "prune"
	keepFile  = "keep.json"

	// activeSeconds is the deadline of a Job in seconds, which limits how long its keep list is used. The time in which
	// the pod waits for a node counts. The next prune removes everything that this Job has not removed by then.
	activeSeconds = 3600
	// keptSeconds is how long an ended Job and its log are kept, in seconds.
	keptSeconds = 3600
)

// jobResources are the resources of the Job's pod. The pod only reads manifests and removes files. It needs the memory
// for TensorFlow's library, which every program in the trainer's image loads.
var jobResources = corev1.ResourceRequirements{
	Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100m"),
		corev1.ResourceMemory: resource.MustParse("512Mi"),
	},
	Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
}

// newJob returns the Job and the ConfigMap that holds its keep list. The Job's pod has the image and the volumes of the
// run's trials, but requests no GPU and no GPU node. The restricted Pod Security standard admits it.
func newJob(
	run *api.TrainingRun, name string, keep wire.KeepList, dryRun bool,
) (*batchv1.Job, *corev1.ConfigMap, error) {
	store, err := wire.LocalPath(string(run.Spec.Checkpoint.URI))
	if err != nil {
		return nil, nil, fmt.Errorf("read checkpoint.uri of run %s: %w", run.Name, err)
	}
	list, err := json.Marshal(keep)
	if err != nil {
		return nil, nil, err
	}
	args := []string{"prune", "--checkpoints", store, "--keep", podspec.KeepListDir + "/" + keepFile}
	if dryRun {
		args = append(args, "--dry-run")
	}
	meta := metav1.ObjectMeta{
		Namespace: run.Namespace,
		Name:      name,
		Labels:    map[string]string{podspec.ManagedBy: "plumb", "app.kubernetes.io/component": "prune"},
	}
	config := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{keepFile: string(list)}}
	job := &batchv1.Job{ObjectMeta: *meta.DeepCopy(), Spec: batchv1.JobSpec{
		BackoffLimit:            ptr.To(int32(1)),
		ActiveDeadlineSeconds:   ptr.To(int64(activeSeconds)),
		TTLSecondsAfterFinished: ptr.To(int32(keptSeconds)),
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: run.Spec.Template.Labels, Annotations: run.Spec.Template.Annotations},
			Spec:       podSpec(run.Spec.Template, args, name),
		},
	}}
	// In a cluster where Kueue manages every Job, a Job without a queue would wait for ever.
	if queue := run.Labels[podspec.QueueLabel]; queue != "" {
		job.Labels[podspec.QueueLabel] = queue
	}
	return job, config, nil
}

func podSpec(t api.PodTemplate, args []string, config string) corev1.PodSpec {
	pod := podspec.Base(t)
	volumes, mounts := podVolumes(t, config)
	pod.Volumes = volumes
	pod.Containers = []corev1.Container{{
		Name:            container,
		Image:           t.Image,
		ImagePullPolicy: t.ImagePullPolicy,
		Args:            args,
		Env:             append(podspec.HomeEnv(), podspec.Env(t)...),
		Resources:       jobResources,
		VolumeMounts:    mounts,
		SecurityContext: podspec.ContainerSecurity(),
	}}
	return pod
}

func podVolumes(t api.PodTemplate, config string) (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	const keepVolume = "plumbline-keep"
	volumes, mounts = podspec.Volumes(t)
	keep := corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: config}},
	}
	scratch, scratchMount := podspec.Scratch(resource.MustParse("64Mi"))
	volumes = append(volumes, corev1.Volume{Name: keepVolume, VolumeSource: keep}, scratch)
	mounts = append(mounts,
		corev1.VolumeMount{Name: keepVolume, MountPath: podspec.KeepListDir, ReadOnly: true}, scratchMount)
	return volumes, mounts
}
