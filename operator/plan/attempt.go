package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// maxWords is how much of a log is quoted, in characters.
const maxWords = 300

// Cluster is what was observed of one run: its own Jobs, and every pod that bears its uid.
type Cluster struct {
	Jobs []*batchv1.Job
	Pods []*corev1.Pod
	// Warnings holds what the cluster last told of a Job or pod that waits, by its name: why it has no pod, why a volume is not
	// there, why Kueue does not admit it. It is looked for only where an attempt has waited for a while.
	Warnings map[string]string
	// Invalid names the Jobs that the API server will never take as they are. Why is in Warnings.
	Invalid []string
}

// attempt is what the cluster shows of one attempt. Both are nil where there is none.
type attempt struct {
	job *batchv1.Job
	pod *corev1.Pod
}

// ending is how an attempt ended.
type ending struct {
	class    wire.Class
	exitCode *int32 // nil: the container reported none
	sentence string
	at       time.Time   // zero: not known
	result   wire.Result // the pod's last word; zero: it left none
}

// when is the time at which it ended, or else now.
func (e ending) when(now time.Time) time.Time {
	if e.at.IsZero() {
		return now
	}
	return e.at
}

func (c Cluster) attempt(job string) attempt {
	for _, j := range c.Jobs {
		if j.Name == job {
			return attempt{j, c.podOf(j)}
		}
	}
	return attempt{}
}

// podOf is the Job's pod; with more than one, which a Job of one completion and no retries should not have, the newest.
func (c Cluster) podOf(job *batchv1.Job) (newest *corev1.Pod) {
	for _, p := range c.Pods {
		owned := slices.ContainsFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == job.UID })
		if owned && (newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp)) {
			newest = p
		}
	}
	return newest
}

// alive names what is left of a trial: a pod that has not ended, or a Job that could still make one. As long as there is
// something, there is no further attempt. A pod that was given up with its node counts no more.
func (c Cluster) alive(is func(labels map[string]string) bool, givenUp func(*corev1.Pod) bool) string {
	for _, p := range c.Pods {
		if is(p.Labels) && !podEnded(p) && !givenUp(p) {
			return "pod " + p.Name
		}
	}
	for _, j := range c.Jobs {
		if _, ended := jobEnded(j); ended || !is(j.Labels) {
			continue
		}
		if p := c.podOf(j); p == nil || !givenUp(p) {
			return "Job " + j.Name
		}
	}
	return ""
}

// giveUpAt is when a pod that was told to end is given up, because its node has not said in time that it has. What Kubernetes
// records as the time of deletion has the grace period in it.
func giveUpAt(pod *corev1.Pod, nodeLoss int32) time.Time {
	return pod.DeletionTimestamp.Add(time.Duration(nodeLoss) * time.Second)
}

func givenUp(pod *corev1.Pod, nodeLoss int32, now time.Time) bool {
	return pod.DeletionTimestamp != nil && !podEnded(pod) && !now.Before(giveUpAt(pod, nodeLoss))
}

// lingering calls again with the time until each pod may be given up that was told to end and has not said that it has: nothing tells
// when that time is over.
func (c Cluster) lingering(is func(labels map[string]string) bool, nodeLoss int32, now time.Time, again func(time.Duration)) {
	for _, p := range c.Pods {
		if is(p.Labels) && p.DeletionTimestamp != nil && !podEnded(p) && !givenUp(p, nodeLoss, now) {
			again(giveUpAt(p, nodeLoss).Sub(now))
		}
	}
}

// ending says how the attempt ended, if it has. A pod that ended is enough: its Job makes no other, and the pod may be gone
// before the Job has counted it. A Job without a pod that had one was suspended: by Kueue, which wants its place for another.
func (a attempt) ending(hadPod bool, givenUp func(*corev1.Pod) bool) (ending, bool) {
	done, jobEnded := jobEnded(a.job)
	switch {
	case a.pod != nil && givenUp(a.pod):
		return ending{class: wire.ClassInterrupted, at: a.pod.DeletionTimestamp.Time, sentence: fmt.Sprintf(
			"its pod should have ended at %s and node %s has not said that it did: both are given up", a.pod.DeletionTimestamp.UTC().Format(time.TimeOnly), a.pod.Spec.NodeName)}, true
	case a.pod == nil && hadPod && suspended(a.job):
		return ending{class: wire.ClassInterrupted, sentence: "its queue took its place back: the Job was suspended from outside"}, true
	case a.pod != nil && podEnded(a.pod):
		return podEnding(a.pod), true
	case !jobEnded:
		return ending{}, false
	case done.Type == batchv1.JobComplete:
		return ending{class: wire.ClassSucceeded, at: done.LastTransitionTime.Time}, true
	default:
		return lost("its pod vanished before it said how it ended", done.LastTransitionTime.Time), true
	}
}

func lost(sentence string, at time.Time) ending {
	return ending{class: wire.Classify(wire.Ended{ExitCode: -1, Lost: true}), sentence: sentence, at: at}
}

func jobEnded(j *batchv1.Job) (batchv1.JobCondition, bool) {
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return c, true
		}
	}
	return batchv1.JobCondition{}, false
}

// suspended says whether somebody else holds the Job: Kueue alone does.
func suspended(j *batchv1.Job) bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

func podEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func podEnding(p *corev1.Pod) ending {
	ended := wire.Ended{ExitCode: -1, Reason: p.Status.Reason, Disruption: p.DeletionTimestamp != nil}
	outside, words := p.Status.Message, ""
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			ended.Disruption, outside = true, c.Message
		}
	}
	e := ending{}
	if t := terminated(p); t != nil {
		ended.ExitCode, e.exitCode, e.at = t.ExitCode, &t.ExitCode, t.FinishedAt.Time
		if t.Reason != "" && t.Reason != "Error" {
			ended.Reason = t.Reason
		}
		if r, err := wire.DecodeResult([]byte(t.Message)); err == nil {
			e.result = r
		} else {
			words = lastWords(t.Message)
		}
	}
	// No container: the node took the pod in and turned it away, because its devices were not there yet or it was going down. Eviction
	// is not that: it may be of a pod that has filled its disk.
	ended.Lost = terminated(p) == nil && p.Status.Phase == corev1.PodFailed && p.Status.Reason != "Evicted"
	e.class = wire.Classify(ended)
	e.sentence = sentence(e, ended, outside, words)
	return e
}

func terminated(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == podspec.Container {
			return s.State.Terminated
		}
	}
	return nil
}

// sentence is the pod's own where it left one, with the place in front as compilers print it.
func sentence(e ending, ended wire.Ended, outside, words string) string {
	if m, at := e.result.Message, e.result.Where; m != "" {
		if at != "" && !strings.Contains(m, at) {
			m = at + ": " + m
		}
		return m
	}
	switch {
	case e.class == wire.ClassMemory:
		return "the trainer was killed because it needed more memory than it may use: raise resources.limits.memory, or lower batchSize"
	case ended.Lost:
		return strings.TrimSuffix(fmt.Sprintf("its node turned the pod away (%s): %s", ended.Reason, outside), ": ")
	case ended.ExitCode < 0:
		return strings.TrimSuffix(fmt.Sprintf("its pod ended without a word (%s): %s", ended.Reason, outside), ": ")
	case ended.ExitCode == 137 && !ended.Disruption:
		return "the trainer was killed (SIGKILL), and nobody says by whom: a node that runs out of memory does that, and so does a person"
	case ended.Disruption:
		return strings.TrimSuffix(fmt.Sprintf("its pod was stopped from outside (exit code %d): %s", ended.ExitCode, outside), ": ")
	case words != "":
		return fmt.Sprintf("the trainer ended with exit code %d: %s", ended.ExitCode, words)
	case ended.Reason != "":
		return fmt.Sprintf("the trainer ended with exit code %d (%s) and left no message", ended.ExitCode, ended.Reason)
	default:
		return fmt.Sprintf("the trainer ended with exit code %d and left no message", ended.ExitCode)
	}
}

// word is what a pod may call the reason of its end.
var word = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)

// reason is the pod's own word where it left one: it knows better than its exit code.
func (e ending) reason() string {
	if word.MatchString(e.result.Reason) && e.class != wire.ClassSucceeded {
		return e.result.Reason
	}
	return string(e.class)
}

// lastWords finds the cause in the end of a log: where a Go program panics, or the last line.
func lastWords(logged string) (last string) {
	for line := range strings.Lines(logged) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return cut(line, maxWords)
		}
		if line != "" {
			last = line
		}
	}
	return cut(last, maxWords)
}

// Has says whether a Job was observed.
func (c Cluster) Has(job string) bool { return c.attempt(job).job != nil }
