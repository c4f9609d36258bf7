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

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// ClassReports is the class of an attempt whose pod ended well although the stream lacks the report that says so. It is tried
// again: the next attempt finds its checkpoints and issues what is missing.
const ClassReports wire.Class = "ReportsLost"

// maxWords is how much of a log is quoted, in characters.
const maxWords = 300

// container is the name of the one container of a pod that Plumbline makes.
const container = "trainer"

// Cluster is what was observed of one run: its own Jobs, and every pod that bears its uid.
type Cluster struct {
	Jobs []*batchv1.Job
	Pods []*corev1.Pod
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
// something, the trial gets no further attempt.
func (c Cluster) alive(trial string) string {
	return c.anyAlive(func(labels map[string]string) bool { return labels[api.LabelTrial] == trial })
}

func (c Cluster) anyAlive(is func(labels map[string]string) bool) string {
	for _, p := range c.Pods {
		if is(p.Labels) && !podEnded(p) {
			return "pod " + p.Name
		}
	}
	for _, j := range c.Jobs {
		if _, ended := jobEnded(j); !ended && is(j.Labels) {
			return "Job " + j.Name
		}
	}
	return ""
}

// ending says how the attempt ended, if it has. A pod that ended is enough: its Job makes no other, and the pod may be gone
// before the Job has counted it.
func (a attempt) ending() (ending, bool) {
	done, jobEnded := jobEnded(a.job)
	switch {
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
	e.class = wire.Classify(ended)
	e.sentence = sentence(e, ended, outside, words)
	return e
}

func terminated(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container {
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
	case ended.ExitCode < 0:
		return strings.TrimSuffix(fmt.Sprintf("its pod ended without a word (%s): %s", ended.Reason, outside), ": ")
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
