package plan

import (
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// SecretName returns the name of the Secret with a run's credential. The name contains the start of the run's uid, so
// that a run never uses the Secret of an older run with the same name.
func SecretName(run *api.TrainingRun) string {
	return fmt.Sprintf("%s-nats-%.8s", run.Name, run.UID)
}

// JobName returns the name of the Job for one attempt of a trial.
func JobName(run, trial string, number int32) string {
	return fmt.Sprintf("%s-%s-a%d", run, trial, number)
}

// trialJob returns the Job of one attempt of a trial. A Job is created once and never changed.
func trialJob(
	run *api.TrainingRun, depth api.Depth, number int32, installation resolve.Installation,
) (*batchv1.Job, error) {
	trial, err := resolve.Trial(run, depth, number, installation)
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(trial)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", wire.EnvTrial, err)
	}
	pod := podspec.Template(run.Spec.Template, podspec.Main{
		Command:   "run",
		Variable:  wire.EnvTrial,
		Document:  string(document),
		Resources: resolve.Resources(run, depth),
	})
	addCredential(&pod.Spec, SecretName(run))
	labels := map[string]string{
		api.LabelRun:     run.Name,
		api.LabelRunUID:  string(run.UID),
		api.LabelTrial:   trial.Name,
		api.LabelAttempt: fmt.Sprint(number),
	}
	for _, l := range []string{podspec.QueueLabel, podspec.PriorityLabel} {
		if v, ok := run.Labels[l]; ok {
			labels[l] = v
		}
	}
	owner := metav1.NewControllerRef(run, api.GroupVersion.WithKind("TrainingRun"))
	return podspec.Job(run.Namespace, JobName(run.Name, trial.Name, number), *owner, labels, pod), nil
}

// addCredential mounts the Secret with the run's credential into the pod's container.
func addCredential(pod *corev1.PodSpec, secret string) {
	const volume = "plumbline-nats"
	pod.Volumes = append(pod.Volumes, corev1.Volume{
		Name: volume,
		VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: ptr.To(int32(0o440))},
		},
	})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{
		Name: volume, MountPath: podspec.CredentialDir, ReadOnly: true,
	})
}
