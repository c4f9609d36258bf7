package plan

import (
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// SecretName is the name of a run's credential. The uid is in it, so that a run of the same name never meets an older
// one's.
func SecretName(run *api.TrainingRun) string {
	return fmt.Sprintf("%s-nats-%.8s", run.Name, run.UID)
}

// trialJob is the Job of one attempt. It is created once and never changed.
func trialJob(run *api.TrainingRun, depth api.Depth, number int32, settings resolve.Settings) (*batchv1.Job, error) {
	trial, err := resolve.Trial(run, depth, number, settings)
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(trial)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", wire.EnvTrial, err)
	}
	pod := podspec.Template(run.Spec.Template, podspec.Main{
		Command: "run", Variable: wire.EnvTrial, Document: string(document), Resources: resolve.Resources(run, depth),
	})
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "plumbline-nats", MountPath: podspec.CredentialDir, ReadOnly: true})
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "plumbline-nats", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: SecretName(run), DefaultMode: ptr.To(int32(0o440))},
	}})
	labels := map[string]string{
		api.LabelRun:     run.Name,
		api.LabelRunUID:  string(run.UID),
		api.LabelTrial:   trial.Name,
		api.LabelAttempt: fmt.Sprint(number),
	}
	for _, l := range []string{podspec.QueueLabel, podspec.PriorityLabel} { // Kueue alone acts on them
		if v, ok := run.Labels[l]; ok {
			labels[l] = v
		}
	}
	owner := metav1.NewControllerRef(run, api.GroupVersion.WithKind("TrainingRun"))
	return podspec.Job(run.Namespace, attempt.JobName(run.Name, trial.Name, number), *owner, labels, pod), nil
}
