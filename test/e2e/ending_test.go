package e2e

import (
	"strings"
	"sync"
	"testing"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestTheExitCodeDecidesWhetherATrialIsRetried lets real pods end with every exit code of wire/exit.go, and by SIGKILL.
// OOMKilled is not among them, since the node has no cgroups. A trial that is not retried would succeed if it were.
func TestTheExitCodeDecidesWhetherATrialIsRetried(t *testing.T) {
	prepareReporter(t)
	tests := map[string]struct { // by the name of the run, with spaces
		script  []string
		policy  object
		code    int32               // of the first attempt
		class   string              // of the first attempt
		phase   v1alpha1.TrialPhase // at the end
		reason  string              // at the end
		counts  [3]int32            // at the end
		message string              // a part of it, at the end
	}{
		"bad settings": {
			script:  []string{"0.5 exit:64", "0.6 finish"},
			code:    64,
			class:   "BadSettings",
			phase:   v1alpha1.TrialFailed,
			reason:  "BadSettings",
			counts:  attempts(1, 0, 0),
			message: "attempt 1: the script says so",
		},
		"bad data": {
			script:  []string{"0.5 exit:65", "0.6 finish"},
			code:    65,
			class:   "BadData",
			phase:   v1alpha1.TrialFailed,
			reason:  "BadData",
			counts:  attempts(1, 0, 0),
			message: "attempt 1: the script says so",
		},
		"no input": {
			script:  []string{"0.5 exit:66", "0.6 finish"},
			code:    66,
			class:   "BadData",
			phase:   v1alpha1.TrialFailed,
			reason:  "NoInput",
			counts:  attempts(1, 0, 0),
			message: "attempt 1: the script says so",
		},
		"no device": {
			script:  []string{"0.5 exit:69", "0.6 finish"},
			code:    69,
			class:   "NoDevice",
			phase:   v1alpha1.TrialFailed,
			reason:  "NoDevice",
			counts:  attempts(1, 0, 0),
			message: "attempt 1: the script says so",
		},
		"diverged": {
			script:  []string{"0.5 nan exit:76", "0.6 finish"},
			code:    76,
			class:   "Diverged",
			phase:   v1alpha1.TrialFailed,
			reason:  "Diverged",
			counts:  attempts(1, 0, 0),
			message: "attempt 1: the script says so",
		},

		"our own fault": {
			script: []string{"0.5 exit:70", "0.6 finish"},
			code:   70,
			class:  "Crashed",
			phase:  v1alpha1.TrialSucceeded,
			reason: "Finished",
			counts: attempts(2, 1, 0),
		},
		"a store that is away": {
			script: []string{"0.5 exit:74", "0.6 finish"},
			code:   74,
			class:  "Crashed",
			phase:  v1alpha1.TrialSucceeded,
			reason: "Finished",
			counts: attempts(2, 1, 0),
		},
		"stalled": {
			script: []string{"0.5 exit:77", "0.6 finish"},
			code:   77,
			class:  "Stalled",
			phase:  v1alpha1.TrialSucceeded,
			reason: "Finished",
			counts: attempts(2, 1, 0),
		},
		"killed": {
			script: []string{"0.5 kill", "0.6 finish"},
			code:   137,
			class:  "Crashed",
			phase:  v1alpha1.TrialSucceeded,
			reason: "Finished",
			counts: attempts(2, 1, 0),
		},
		"reports lost": {
			script: []string{"0.5 exit:0", "0.6 finish"},
			code:   0,
			class:  "ReportsLost",
			phase:  v1alpha1.TrialSucceeded,
			reason: "Finished",
			counts: attempts(2, 1, 0),
		},
		"interrupted": {
			script: []string{"0.5 exit:75", "0.6 finish"},
			code:   75,
			class:  "Interrupted",
			phase:  v1alpha1.TrialSucceeded,
			reason: "Finished",
			counts: attempts(2, 0, 1),
		},

		"killed without retries": {
			script:  []string{"0.5 kill", "0.6 finish"},
			policy:  object{"maxRetries": 0},
			code:    137,
			class:   "Crashed",
			phase:   v1alpha1.TrialFailed,
			reason:  "Crashed",
			counts:  attempts(1, 0, 0),
			message: "killed (SIGKILL) for an unknown reason",
		},
		"our own fault once too often": {
			script:  []string{"0.5 exit:70"},
			policy:  object{"maxRetries": 1},
			code:    70,
			class:   "Crashed",
			phase:   v1alpha1.TrialFailed,
			reason:  "Internal",
			counts:  attempts(2, 1, 0),
			message: "no retries left: failurePolicy.maxRetries is 1",
		},
		"interrupted once too often": {
			script:  []string{"0.5 exit:75"},
			policy:  object{"maxInterruptions": 1},
			code:    75,
			class:   "Interrupted",
			phase:   v1alpha1.TrialFailed,
			reason:  "Interrupted",
			counts:  attempts(2, 0, 1),
			message: "interrupted too often: failurePolicy.maxInterruptions is 1",
		},
	}
	var runs []object
	for name, test := range tests {
		o := scripted(t, slug(name), 3, script{"d18": test.script})
		if test.policy != nil {
			at(o, "spec")["failurePolicy"] = test.policy
		}
		runs = append(runs, o)
	}
	startAll(t, runs...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			run := awaitRun(t, keyOf(slug(name)), "end", ended)
			trial, want := run.Status.Trials[0], v1alpha1.RunSucceeded
			if test.phase == v1alpha1.TrialFailed {
				want = v1alpha1.RunFailed
			}
			saysWhy := trial.Reason == test.reason && strings.Contains(trial.Message, test.message)
			if run.Status.Phase != want || trial.Phase != test.phase || !saysWhy {
				t.Errorf("want a trial that is %s (%s, %q): %s",
					test.phase, test.reason, test.message, encodeStatus(run))
			}
			got := attempts(trial.Attempt, trial.Retries, trial.Interruptions)
			if got != test.counts || trial.Attempts[0].Class != test.class {
				t.Errorf("attempts, retries and interruptions are %v, want %v; the first attempt is %s, want %s",
					got, test.counts, trial.Attempts[0].Class, test.class)
			}
			if code := trial.Attempts[0].ExitCode; code == nil || *code != test.code {
				t.Errorf("want exit code %d: %+v", test.code, trial.Attempts)
			}
			if trial.Attempt == 2 && (trial.Attempts[1].FromEpoch == nil || *trial.Attempts[1].FromEpoch != 1) {
				t.Errorf("the second attempt did not resume from the first's checkpoint: %+v", trial.Attempts)
			}
			if trial.Gaps != 0 || trial.Best == nil {
				t.Errorf("%d gaps, best %v; want no gaps and a best", trial.Gaps, trial.Best)
			}
		})
	}
}

// attempts returns the number of a trial's attempts, and of the retries and the interruptions among them, as one value
// to compare.
func attempts(number, retries, interruptions int32) [3]int32 {
	return [3]int32{number, retries, interruptions}
}

// TestAnAttemptStoppedFromOutsideCostsNoRetry ends pods in the ways in which a cluster ends them. The run's Event must
// say who ended the pod.
func TestAnAttemptStoppedFromOutsideCostsNoRetry(t *testing.T) {
	prepareReporter(t)
	for name, value := range map[string]int{"nightly": -10, "urgent": 1000} {
		apply(t, object{
			"apiVersion": "scheduling.k8s.io/v1",
			"kind":       "PriorityClass",
			"metadata":   object{"name": name},
			"value":      value,
		})
		t.Cleanup(func() { kubectl(t, "delete", "priorityclass", name) })
	}
	urgent := scripted(t, "urgent", 1, script{"d18": {"hold 0.5 finish"}})
	prioritize(urgent, "urgent", 15)
	tests := map[string]struct { // by the name of the run, with spaces
		script string // of the first attempt
		strike func(*testing.T, *v1alpha1.TrainingRun)
		code   string // of the first attempt
		words  string // of the Event
	}{
		// This trainer has no time to save itself before it is killed. Its exit code would mean a crash if its pod had
		// not been ended from outside.
		"evicted": {
			script: "0.5 deaf",
			strike: evict,
			code:   "exit code 137",
			words:  "its pod was stopped from outside (exit code 137): Eviction API: evicting",
		},
		"preempted": {
			script: "0.5 hold",
			strike: func(t *testing.T, r *v1alpha1.TrainingRun) { preempt(t, r, urgent) },
			code:   "exit code 75",
			words:  "preempting to accommodate a higher priority pod",
		},
		"without its Job": {
			script: "0.5 hold",
			strike: deleteJob,
			code:   "no known exit code",
			words:  "its Job was deleted",
		},
	}
	var runs []object
	for name, test := range tests {
		o := scripted(t, slug(name), 2, script{"d18": {test.script, "0.6 finish"}})
		switch name {
		case "evicted":
			at(o, "spec", "template")["terminationGracePeriodSeconds"] = 1
		case "preempted":
			prioritize(o, "nightly", 10)
		}
		runs = append(runs, o)
	}
	startAll(t, runs...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			key := keyOf(slug(name))
			test.strike(t, awaitEpoch(t, key.Name, 1, "d18"))
			run := awaitRun(t, key, "end", ended)
			trial := run.Status.Trials[0]
			got := attempts(trial.Attempt, trial.Retries, trial.Interruptions)
			if got != attempts(2, 0, 1) || trial.Phase != v1alpha1.TrialSucceeded {
				t.Fatalf("%s; attempts, retries and interruptions are %v: %s", trial.Phase, got, encodeStatus(run))
			}
			first, second := trial.Attempts[0], trial.Attempts[1]
			message := kubectl(t, "get", "events", "-n", namespace,
				"--field-selector", "involvedObject.name="+key.Name+",reason=Interrupted",
				"-o", "jsonpath={.items[*].message}")
			const start = "attempt 1 ended and will be retried: "
			if !strings.Contains(message, start) || !strings.Contains(message, test.words) {
				t.Errorf("the run's event says %q, want %q", message, test.words)
			}
			if first.Class != "Interrupted" || exitCode(first) != test.code {
				t.Errorf("want an attempt that was interrupted with %s: %+v", test.code, trial.Attempts)
			}
			if second.FromEpoch == nil || *second.FromEpoch != 1 {
				t.Errorf("want an attempt that resumed from epoch 1: %+v", trial.Attempts)
			}
		})
	}
}

// prioritize gives a run's pods a priority class and a number of GPUs. The node has 20.
func prioritize(o object, class string, gpus int) {
	template := at(o, "spec", "template")
	template["priorityClassName"] = class
	template["resources"] = object{
		"limits":   object{"nvidia.com/gpu": gpus},
		"requests": object{"cpu": "1m", "memory": "1Mi", "nvidia.com/gpu": gpus},
	}
}

// preempt makes the scheduler take the run's GPUs for an urgent run, and lets the urgent run end once the other one
// waits for GPUs.
func preempt(t *testing.T, r *v1alpha1.TrainingRun, urgent object) {
	t.Helper()
	apply(t, urgent)
	awaitRun(t, keyOf(r.Name), "wait for the urgent pod's GPUs", func(r *v1alpha1.TrainingRun) bool {
		trial := r.Status.Trials[0]
		lacksGPUs := trial.Reason == "Unschedulable" && strings.Contains(trial.Message, "Insufficient nvidia.com/gpu")
		return trial.Attempt == 2 && lacksGPUs
	})
	letGoOn(t, getRun(t, "urgent"), "d18")
	run := awaitRun(t, keyOf("urgent"), "end", ended)
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Trials[0].Attempt != 1 {
		t.Errorf("nothing may preempt the urgent run: %s", encodeStatus(run))
	}
}

// deleteJob deletes the Job of d18's first attempt.
func deleteJob(t *testing.T, r *v1alpha1.TrainingRun) {
	t.Helper()
	kubectl(t, "delete", "job", r.Name+"-d18-a1", "-n", r.Namespace)
}

// evict evicts the pod of the first trial, as kubectl drain does.
func evict(t *testing.T, r *v1alpha1.TrainingRun) {
	t.Helper()
	pod := r.Status.Trials[0].Pod
	eviction := encode(object{
		"apiVersion": "policy/v1",
		"kind":       "Eviction",
		"metadata":   object{"name": pod, "namespace": r.Namespace},
	})
	path := "/api/v1/namespaces/" + r.Namespace + "/pods/" + pod + "/eviction"
	if out, err := kubectlWith(t, string(eviction), "create", "--raw", path, "-f", "-"); err != nil {
		t.Fatalf("evict %s: %v\n%s", pod, err, out)
	}
}

// TestATrialWaitsForANodeThatMayRunIt taints the node. One run tolerates the taint and selects a node by a label that
// the node does not have yet; the other run does neither.
func TestATrialWaitsForANodeThatMayRunIt(t *testing.T) {
	prepareReporter(t)
	node := strings.TrimSpace(kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
	taint := func(how string) { kubectl(t, "taint", "node", node, "lab=trials:NoSchedule"+how) }
	taint("")
	untaint := sync.OnceFunc(func() { taint("-") })
	t.Cleanup(func() {
		kubectl(t, "label", "node", node, "lab-")
		untaint()
	})

	welcome := scripted(t, "welcome", 1, script{"d18": {"0.5 finish"}})
	other := scripted(t, "other", 1, script{"d18": {"0.5 finish"}})
	toleration := object{"key": "lab", "operator": "Equal", "value": "trials", "effect": "NoSchedule"}
	at(welcome, "spec", "template")["tolerations"] = []any{toleration}
	at(welcome, "spec", "template")["nodeSelector"] = object{"lab": "optics"}
	startAll(t, welcome, other)
	waits := func(name, words string) {
		awaitRun(t, keyOf(name), words, func(r *v1alpha1.TrainingRun) bool {
			if len(r.Status.Trials) != 1 {
				return false
			}
			trial := r.Status.Trials[0]
			return trial.Reason == "Unschedulable" && strings.Contains(trial.Message, words)
		})
	}
	ends := func(name string) {
		run := awaitRun(t, keyOf(name), "end", ended)
		if trial := run.Status.Trials[0]; run.Status.Phase != v1alpha1.RunSucceeded || trial.Attempt != 1 {
			t.Errorf("want a run that waited for its node and succeeded at its first attempt: %s", encodeStatus(run))
		}
	}
	waits("welcome", "didn't match Pod's node affinity/selector")
	waits("other", "untolerated taint")
	kubectl(t, "label", "node", node, "lab=optics")
	ends("welcome")
	waits("other", "untolerated taint")
	untaint()
	ends("other")
}
