package e2e

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestStatusSaysWhyARunWaits makes runs wait for something that the cluster does not have. The run's condition must
// name it and quote Kubernetes.
func TestStatusSaysWhyARunWaits(t *testing.T) {
	prepareNamespace(t)
	apply(t, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": "quota"}})
	apply(t, object{
		"apiVersion": "v1",
		"kind":       "ResourceQuota",
		"metadata":   object{"name": "none", "namespace": "quota"},
		"spec":       object{"hard": object{"pods": "0"}},
	})
	for name, test := range map[string]struct {
		run       string
		namespace string
		change    func(object)
		want      []string
	}{
		"for a quota that is spent": {
			run:       "waits-quota",
			namespace: "quota",
			change:    func(o object) {},
			want:      []string{"NoPodYet", "exceeded quota: none"},
		},
		"for a node with enough GPUs": {
			run:       "waits-node",
			namespace: namespace,
			change: func(o object) {
				for _, kind := range []string{"requests", "limits"} {
					at(o, "spec", "template", "resources", kind)["nvidia.com/gpu"] = "99"
				}
			},
			want: []string{"Unschedulable", "Insufficient nvidia.com/gpu"},
		},
		"for a claim that does not exist": {
			run:       "waits-claim",
			namespace: namespace,
			change: func(o object) {
				template := at(o, "spec", "template")
				claim := object{"claimName": "nowhere"}
				template["volumes"] = []any{object{"name": "data", "persistentVolumeClaim": claim}}
				template["volumeMounts"] = []any{object{"name": "data", "mountPath": "/data"}}
			},
			want: []string{"Unschedulable", `persistentvolumeclaim "nowhere" not found`},
		},
		"for an image that no registry has": {
			run:       "waits-image",
			namespace: namespace,
			change: func(o object) {
				at(o, "spec", "template")["image"] = "plumbline.dev/nobody-has-this:dev"
			},
			want: []string{"ImageNotPulled", "nobody-has-this"},
		},
		"for a secret that does not exist": {
			run:       "waits-secret",
			namespace: namespace,
			change: func(o object) {
				secret := object{"secretKeyRef": object{"name": "nowhere", "key": "k"}}
				at(o, "spec", "template")["env"] = []any{object{"name": "KEY", "valueFrom": secret}}
			},
			want: []string{"CreateContainerConfigError", "nowhere"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := client.ObjectKey{Namespace: test.namespace, Name: test.run}
			o := smallRun(key, 3, 18)
			at(o, "metadata")["namespace"] = key.Namespace
			test.change(o)
			apply(t, o)
			t.Cleanup(func() { kubectl(t, "delete", "trun", key.Name, "-n", key.Namespace) })
			awaitRun(t, key, strings.Join(test.want, " "), conditionHas(v1alpha1.ConditionRunning, test.want...))
		})
	}
	t.Run("for an operator that has not reached NATS yet", func(t *testing.T) {
		key := client.ObjectKey{Namespace: namespace, Name: "waits-nats"}
		localcluster(t, "stop", "nats")
		startNATS := sync.OnceFunc(func() { localcluster(t, "start", "nats") })
		t.Cleanup(func() {
			startNATS()
			removeCheckpoints(t, key)
			kubectl(t, "delete", "trun", key.Name, "-n", key.Namespace)
		})
		// An operator that has found the stream once admits runs while NATS is away, since their reports arrive later.
		// A new operator does not.
		kill(t, "plumbline-operator", cluster.state)
		apply(t, smallRun(key, 2, 18))
		for _, condition := range []string{v1alpha1.ConditionAdmitted, v1alpha1.ConditionRunning} {
			awaited := condition + " that says why not"
			awaitRun(t, key, awaited, conditionHas(condition, "StreamUnavailable", "cannot be reached"))
		}
		startNATS()
		if run := awaitRun(t, key, "end", ended); run.Status.Phase != v1alpha1.RunSucceeded {
			t.Errorf("the run did not succeed after NATS was started: %s", encodeStatus(run))
		}
	})
}

// conditionHas returns a function that reports whether a condition's reason and message contain all words.
func conditionHas(condition string, words ...string) func(*v1alpha1.TrainingRun) bool {
	return func(r *v1alpha1.TrainingRun) bool {
		c := meta.FindStatusCondition(r.Status.Conditions, condition)
		if c == nil {
			return false
		}
		lacks := func(word string) bool { return !strings.Contains(c.Reason+" "+c.Message, word) }
		return !slices.ContainsFunc(words, lacks)
	}
}

// The API server refuses an invalid Job each time. So the trial fails, with the API server's message.
func TestATrialWhoseJobIsInvalidFails(t *testing.T) {
	prepareNamespace(t)
	key := client.ObjectKey{Namespace: namespace, Name: "invalid"}
	o := smallRun(key, 3, 18)
	at(o, "spec", "template", "resources", "requests")["memory"] = "2Gi"
	at(o, "spec", "template", "resources", "limits")["memory"] = "1Gi"
	apply(t, o)
	t.Cleanup(func() { kubectl(t, "delete", "trun", key.Name, "-n", key.Namespace) })
	run := awaitRun(t, key, "end", ended)
	trial := run.Status.Trials[0]
	saysWhy := strings.Contains(trial.Message, "must be less than or equal to memory limit")
	if run.Status.Phase != v1alpha1.RunFailed || trial.Reason != "BadSettings" || !saysWhy {
		t.Errorf("want a failed trial that says why: %s", encodeStatus(run))
	}
}
