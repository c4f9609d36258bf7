package e2e

import (
	"strings"
	"sync"
	"testing"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestHowAnAttemptEnds has real pods end with every exit code of wire/exit.go, and by SIGKILL. OOMKilled is not among them: a node
// without cgroups has no way to it. What is not tried again would succeed if it were.
func TestHowAnAttemptEnds(t *testing.T) {
	prepareReporter(t)
	never, again := v1alpha1.TrialFailed, v1alpha1.TrialSucceeded
	tests := map[string]struct {
		attempts []string
		policy   object
		code     int32  // of the first attempt
		class    string // of the first attempt
		phase    v1alpha1.TrialPhase
		reason   string // of the trial's end
		spent    [3]int32
		message  string
	}{
		"bad settings": {[]string{"0.5 exit:64", "0.6 finish"}, nil, 64, "BadSettings", never, "BadSettings", attempts(1, 0, 0), "attempt 1: the script says so"},
		"bad data":     {[]string{"0.5 exit:65", "0.6 finish"}, nil, 65, "BadData", never, "BadData", attempts(1, 0, 0), "attempt 1: the script says so"},
		"no input":     {[]string{"0.5 exit:66", "0.6 finish"}, nil, 66, "BadData", never, "NoInput", attempts(1, 0, 0), "attempt 1: the script says so"},
		"no device":    {[]string{"0.5 exit:69", "0.6 finish"}, nil, 69, "NoDevice", never, "NoDevice", attempts(1, 0, 0), "attempt 1: the script says so"},
		"diverged":     {[]string{"0.5 nan exit:76", "0.6 finish"}, nil, 76, "Diverged", never, "Diverged", attempts(1, 0, 0), "attempt 1: the script says so"},

		"our own fault":        {[]string{"0.5 exit:70", "0.6 finish"}, nil, 70, "Crashed", again, "Finished", attempts(2, 1, 0), ""},
		"a store that is away": {[]string{"0.5 exit:74", "0.6 finish"}, nil, 74, "Crashed", again, "Finished", attempts(2, 1, 0), ""},
		"stalled":              {[]string{"0.5 exit:77", "0.6 finish"}, nil, 77, "Stalled", again, "Finished", attempts(2, 1, 0), ""},
		"killed":               {[]string{"0.5 kill", "0.6 finish"}, nil, 137, "Crashed", again, "Finished", attempts(2, 1, 0), ""},
		"reports lost":         {[]string{"0.5 exit:0", "0.6 finish"}, nil, 0, "ReportsLost", again, "Finished", attempts(2, 1, 0), ""},
		"interrupted":          {[]string{"0.5 exit:75", "0.6 finish"}, nil, 75, "Interrupted", again, "Finished", attempts(2, 0, 1), ""},

		"killed without retries":       {[]string{"0.5 kill", "0.6 finish"}, object{"maxRetries": 0}, 137, "Crashed", never, "Crashed", attempts(1, 0, 0), "killed (SIGKILL), and nobody says by whom"},
		"our own fault once too often": {[]string{"0.5 exit:70"}, object{"maxRetries": 1}, 70, "Crashed", never, "Internal", attempts(2, 1, 0), "gave up after 1 retry"},
		"interrupted once too often":   {[]string{"0.5 exit:75"}, object{"maxInterruptions": 1}, 75, "Interrupted", never, "Interrupted", attempts(2, 0, 1), "gave up after 1 interruptions from outside"},
	}
	var runs []object
	for name, test := range tests {
		o := scripted(t, slug(name), 3, script{"d18": test.attempts})
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
			if run.Status.Phase != want || trial.Phase != test.phase || trial.Reason != test.reason || !strings.Contains(trial.Message, test.message) {
				t.Errorf("want a trial that is %s (%s, %q): %s", test.phase, test.reason, test.message, encodeStatus(run))
			}
			if got := attempts(trial.Attempt, trial.Retries, trial.Interruptions); got != test.spent || trial.Attempts[0].Class != test.class {
				t.Errorf("attempts, retries and interruptions are %v, want %v; the first attempt is %s, want %s", got, test.spent, trial.Attempts[0].Class, test.class)
			}
			if code := trial.Attempts[0].ExitCode; code == nil || *code != test.code {
				t.Errorf("want exit code %d: %+v", test.code, trial.Attempts)
			}
			if trial.Attempt == 2 && (trial.Attempts[1].FromEpoch == nil || *trial.Attempts[1].FromEpoch != 1) {
				t.Errorf("the second attempt did not go on from the first's checkpoint: %+v", trial.Attempts)
			}
			if trial.Gaps != 0 || trial.Best == nil {
				t.Errorf("%d gaps, best %v", trial.Gaps, trial.Best)
			}
		})
	}
}

// attempts are a trial's count of them, and of the retries and interruptions between them.
func attempts(number, retries, interruptions int32) [3]int32 {
	return [3]int32{number, retries, interruptions}
}

// TestStoppedFromOutside takes pods away as a cluster does. It costs no retry, and the words are those of who did it.
func TestStoppedFromOutside(t *testing.T) {
	prepareReporter(t)
	for name, value := range map[string]int{"nightly": -10, "urgent": 1000} {
		apply(t, object{"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": object{"name": name}, "value": value})
		t.Cleanup(func() { kubectl(t, "delete", "priorityclass", name) })
	}
	urgent := scripted(t, "urgent", 1, script{"d18": {"hold 0.5 finish"}})
	prefer(urgent, "urgent", 15)
	tests := map[string]struct {
		first  string // attempt
		strike func(*testing.T, *v1alpha1.TrainingRun)
		code   string
		words  string
	}{
		// A trainer that does not get to saving itself is killed with it, by a code that would be a crash otherwise.
		"evicted":         {"0.5 deaf", evict, "exit code 137", "its pod was stopped from outside (exit code 137): Eviction API: evicting"},
		"preempted":       {"0.5 hold", func(t *testing.T, r *v1alpha1.TrainingRun) { preempt(t, r, urgent) }, "exit code 75", "preempting to accommodate a higher priority pod"},
		"without its Job": {"0.5 hold", deleteJob, "a code that nobody saw", "its Job was deleted"},
	}
	var runs []object
	for name, test := range tests {
		o := scripted(t, slug(name), 2, script{"d18": {test.first, "0.6 finish"}})
		switch name {
		case "evicted":
			at(o, "spec", "template")["terminationGracePeriodSeconds"] = 1
		case "preempted":
			prefer(o, "nightly", 10)
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
			if got := attempts(trial.Attempt, trial.Retries, trial.Interruptions); got != attempts(2, 0, 1) || trial.Phase != v1alpha1.TrialSucceeded {
				t.Fatalf("%s; attempts, retries and interruptions are %v: %s", trial.Phase, got, encodeStatus(run))
			}
			first, second := trial.Attempts[0], trial.Attempts[1]
			said := kubectl(t, "get", "events", "-n", namespace, "--field-selector", "involvedObject.name="+key.Name+",reason=Interrupted", "-o", "jsonpath={.items[*].message}")
			if !strings.Contains(said, "attempt 1 ended and will be followed by another: ") || !strings.Contains(said, test.words) {
				t.Errorf("the run's event says %q, want %q", said, test.words)
			}
			if first.Class != "Interrupted" || exitCode(first) != test.code || second.FromEpoch == nil || *second.FromEpoch != 1 {
				t.Errorf("want an attempt that was interrupted with %s, and one that went on from its epoch: %+v", test.code, trial.Attempts)
			}
		})
	}
}

// prefer gives a run's pods a priority class and GPUs, of which the node has 20.
func prefer(o object, class string, gpus int) {
	template := at(o, "spec", "template")
	template["priorityClassName"] = class
	template["resources"] = object{"limits": object{"nvidia.com/gpu": gpus}, "requests": object{"cpu": "1m", "memory": "1Mi", "nvidia.com/gpu": gpus}}
}

// preempt has the scheduler take the run's GPUs for an urgent one, and lets that one end once the run waits for them.
func preempt(t *testing.T, r *v1alpha1.TrainingRun, urgent object) {
	t.Helper()
	apply(t, urgent)
	awaitRun(t, keyOf(r.Name), "wait for the urgent pod's GPUs", func(r *v1alpha1.TrainingRun) bool {
		trial := r.Status.Trials[0]
		return trial.Attempt == 2 && trial.Reason == "Unschedulable" && strings.Contains(trial.Message, "Insufficient nvidia.com/gpu")
	})
	tell(t, look(t, "urgent"), "d18")
	if run := awaitRun(t, keyOf("urgent"), "end", ended); run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Trials[0].Attempt != 1 {
		t.Errorf("nothing is above the urgent run: %s", encodeStatus(run))
	}
}

func deleteJob(t *testing.T, r *v1alpha1.TrainingRun) {
	t.Helper()
	kubectl(t, "delete", "job", r.Name+"-d18-a1", "-n", r.Namespace)
}

// evict asks as whoever drains a node asks.
func evict(t *testing.T, r *v1alpha1.TrainingRun) {
	t.Helper()
	pod := r.Status.Trials[0].Pod
	eviction := encode(object{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": object{"name": pod, "namespace": r.Namespace}})
	if out, err := kubectlWith(t, string(eviction), "create", "--raw", "/api/v1/namespaces/"+r.Namespace+"/pods/"+pod+"/eviction", "-f", "-"); err != nil {
		t.Fatalf("evict %s: %v\n%s", pod, err, out)
	}
}

// TestWhereTrialsMayRun keeps the node for some pods by a taint, and has a run ask for a node of another kind than there is.
func TestWhereTrialsMayRun(t *testing.T) {
	prepareReporter(t)
	node := strings.TrimSpace(kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
	taint := func(how string) { kubectl(t, "taint", "node", node, "lab=trials:NoSchedule"+how) }
	taint("")
	untaint := sync.OnceFunc(func() { taint("-") })
	t.Cleanup(func() { kubectl(t, "label", "node", node, "lab-"); untaint() })

	welcome, other := scripted(t, "welcome", 1, script{"d18": {"0.5 finish"}}), scripted(t, "other", 1, script{"d18": {"0.5 finish"}})
	at(welcome, "spec", "template")["tolerations"] = []any{object{"key": "lab", "operator": "Equal", "value": "trials", "effect": "NoSchedule"}}
	at(welcome, "spec", "template")["nodeSelector"] = object{"lab": "optics"}
	startAll(t, welcome, other)
	waits := func(name, words string) {
		awaitRun(t, keyOf(name), words, func(r *v1alpha1.TrainingRun) bool {
			return len(r.Status.Trials) == 1 && r.Status.Trials[0].Reason == "Unschedulable" && strings.Contains(r.Status.Trials[0].Message, words)
		})
	}
	ends := func(name string) {
		run := awaitRun(t, keyOf(name), "end", ended)
		if trial := run.Status.Trials[0]; run.Status.Phase != v1alpha1.RunSucceeded || trial.Attempt != 1 {
			t.Errorf("waiting for a node costs nothing: %s", encodeStatus(run))
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
