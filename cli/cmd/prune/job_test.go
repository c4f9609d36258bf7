package prune

import (
	"testing"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

func TestAPruneJobRequestsOnlyWhatItNeeds(t *testing.T) {
	run := clustertest.Named(t, "finished", "old")
	run.Labels = map[string]string{podspec.QueueLabel: "gpus"}
	run.Spec.Template.NodeSelector = map[string]string{"gpu": "h100"}
	job, config, err := newJob(run, "plumb-prune-x", wire.KeepList{}, false)
	if err != nil {
		t.Fatal(err)
	}
	pod := job.Spec.Template.Spec
	c := pod.Containers[0]
	_, gpu := c.Resources.Limits[api.ResourceGPU]
	if gpu || pod.NodeSelector != nil || *pod.AutomountServiceAccountToken ||
		!*c.SecurityContext.ReadOnlyRootFilesystem || !*pod.SecurityContext.RunAsNonRoot {
		t.Errorf("pod %+v", pod)
	}
	_, queued := config.Labels[podspec.QueueLabel]
	if queued || job.Labels[podspec.QueueLabel] != "gpus" || c.Image != run.Spec.Template.Image {
		t.Errorf("labels %v and %v, image %s", job.Labels, config.Labels, c.Image)
	}
}
