package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/clustertest"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// The golden file is the Job of a run that sets everything, as kubectl get job -o yaml shows it.
func TestTrialJob(t *testing.T) {
	run := newWorld(t, 50).run
	run.Spec.Template = api.PodTemplate{
		Image:            "trainer:1",
		ImagePullPolicy:  corev1.PullAlways,
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "pull"}},
		Env: []api.EnvVar{
			{Name: "HOME", Value: "/data"},
			{Name: "TOKEN", ValueFrom: &api.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "token"}}},
		},
		Volumes: []api.Volume{
			{Name: "data", PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}},
			{Name: "config", ConfigMap: &api.ConfigMapVolume{Name: "config"}},
			{Name: "keys", Secret: &api.SecretVolume{SecretName: "keys"}},
		},
		VolumeMounts: []api.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "erasers", ReadOnly: true}},
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
			api.ResourceGPU:    resource.MustParse("1"),
			corev1.ResourceCPU: resource.MustParse("4"),
		}},
		NodeSelector:       map[string]string{"pool": "gpu"},
		Tolerations:        []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}},
		PriorityClassName:  "batch",
		ServiceAccountName: "trainer",
		Labels:             map[string]string{"team": "print", podspec.ManagedBy: "somebody else"},
		Annotations:        map[string]string{"note": "hello"},
		Scratch:            ptr.To(resource.MustParse("8Gi")),

		TerminationGracePeriodSeconds: ptr.To(int64(300)),
	}
	j, err := trialJob(run, 50, 2, resolve.Installation{NATS: "tls://nats:4222", CA: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := yaml.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	clustertest.Golden(t, "trial job", string(b))
}

// The longest name of a Job is short enough for a label, and the name of a Secret contains the run's uid.
func TestNamesOfJobsAndSecrets(t *testing.T) {
	run := newWorld(t, 152).run
	run.Name, run.UID = strings.Repeat("n", 40), "0123456789abcdef"
	if name := JobName(run.Name, "d152", 101); len(name) > 63 {
		t.Errorf("%s has %d characters, too many for a label", name, len(name))
	}
	if got, want := SecretName(run), run.Name+"-nats-01234567"; got != want {
		t.Errorf("secret %s, want %s", got, want)
	}
}

// Kubernetes expands $(NAME) in the values of environment variables and replaces $$ by $. A document must come out of
// this unchanged.
func TestDocumentsAreNotExpanded(t *testing.T) {
	run := newWorld(t, 18).run
	run.Spec.Dataset.URI = "file:///data/$(HOME)/$x"
	j, err := trialJob(run, 18, 1, resolve.Installation{})
	if err != nil {
		t.Fatal(err)
	}
	value := j.Spec.Template.Spec.Containers[0].Env[0].Value
	var got wire.Trial
	if err := json.Unmarshal([]byte(strings.ReplaceAll(value, "$$", "$")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("file:///data/$(HOME)/$x", got.Dataset.URI); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(strings.ReplaceAll(value, "$$", ""), "$") {
		t.Errorf("%s would be expanded", value)
	}
}
