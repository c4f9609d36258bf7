package attempt

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plumbline.dev/plumbline/operator/plaintext"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// maxQuote is how many characters of a log a message may quote.
const maxQuote = 300

// Ending says how an attempt ended.
type Ending struct {
	Class    wire.Class
	ExitCode *int32      // the trainer container's; nil: the container reported none
	Sentence string      // how and why it ended, for people
	At       time.Time   // when it ended; zero: not known
	Result   wire.Result // the pod's termination message; zero: the pod left none
}

// When returns the time at which the attempt ended, or now if that time is not known.
func (e Ending) When(now time.Time) time.Time {
	if e.At.IsZero() {
		return now
	}
	return e.At
}

// Sentences for the end of an attempt whose pod left no exit code.
const (
	nodeLost = "node %s is considered lost, since it did not confirm the end of the pod, which was due at %s UTC"
	podGone  = "its pod disappeared before the operator saw how it ended"
	// Plumbline never suspends a Job.
	suspendedByKueue = "its Job was suspended while it had a pod, as Kueue does when it preempts a Job"
)

// Ending returns how the attempt ended, and reports whether it has ended. hadPod says whether a pod of this attempt was
// observed before.
//
// Once the pod has ended, the attempt has ended too: its Job creates no second pod, and the pod may be gone before the
// Job has counted it. A suspended Job whose pod is gone was suspended by Kueue in favour of another Job.
func (a Observed) Ending(hadPod bool, loss NodeLoss) (Ending, bool) {
	done, jobEnded := JobEnded(a.Job)
	switch {
	case a.Pod != nil && loss.Lost(a.Pod):
		due := a.Pod.DeletionTimestamp
		lost := fmt.Sprintf(nodeLost, a.Pod.Spec.NodeName, due.UTC().Format(time.TimeOnly))
		return Ending{Class: wire.ClassInterrupted, At: due.Time, Sentence: lost}, true
	case a.Pod == nil && hadPod && JobSuspended(a.Job):
		return Ending{Class: wire.ClassInterrupted, Sentence: suspendedByKueue}, true
	case a.Pod != nil && PodEnded(a.Pod):
		return PodEnding(a.Pod), true
	case !jobEnded:
		return Ending{}, false
	case done.Type == batchv1.JobComplete:
		return Ending{Class: wire.ClassSucceeded, At: done.LastTransitionTime.Time}, true
	default:
		return Vanished(podGone, done.LastTransitionTime.Time), true
	}
}

// Vanished returns the ending of an attempt whose Job or pod is gone, so that no exit code and no message are known.
func Vanished(sentence string, at time.Time) Ending {
	return Ending{Class: wire.Classify(wire.Ended{ExitCode: -1, Lost: true}), Sentence: sentence, At: at}
}

// PodEnding returns how an attempt ended, read from its pod p. The pod must have ended.
func PodEnding(p *corev1.Pod) Ending {
	ended := wire.Ended{ExitCode: -1, Reason: p.Status.Reason, Disruption: p.DeletionTimestamp != nil}
	clusterMessage, quote := p.Status.Message, ""
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			ended.Disruption, clusterMessage = true, c.Message
		}
	}
	e := Ending{}
	if t := terminated(p); t != nil {
		ended.ExitCode, e.ExitCode, e.At = t.ExitCode, &t.ExitCode, t.FinishedAt.Time
		if t.Reason != "" && t.Reason != "Error" {
			ended.Reason = t.Reason
		}
		if r, err := wire.DecodeResult([]byte(t.Message)); err == nil {
			e.Result = r
		} else {
			quote = causeInLog(t.Message)
		}
	}
	// A failed pod whose container never ended was rejected by its node: the node's devices were not registered yet, or
	// the node was shutting down. An evicted pod was not rejected; it may have filled its disk.
	ended.Lost = terminated(p) == nil && p.Status.Phase == corev1.PodFailed && p.Status.Reason != "Evicted"
	e.Class = wire.Classify(ended)
	e.Sentence = sentence(e, ended, clusterMessage, quote)
	return e
}

// terminated returns how the trainer container of a pod ended, or nil.
func terminated(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == podspec.Container {
			return s.State.Terminated
		}
	}
	return nil
}

// Sentences for a container that was killed and left no message.
const (
	outOfMemory = "the trainer was killed because it ran out of memory: " +
		"raise resources.limits.memory or lower batchSize"
	killed = "the trainer was killed (SIGKILL) for an unknown reason: its node may have run out of memory, " +
		"or somebody killed the process"
)

// sentence returns the pod's own message if it left one, with the place in front as compilers print it. Otherwise it
// describes the end from the exit code, from what the cluster says of the pod, and from the quoted end of the log.
func sentence(e Ending, ended wire.Ended, clusterMessage, quote string) string {
	if m, at := e.Result.Message, e.Result.Where; m != "" {
		if at != "" && !strings.Contains(m, at) {
			m = at + ": " + m
		}
		return m
	}
	switch {
	case e.Class == wire.ClassMemory:
		return outOfMemory
	case ended.Lost:
		return explain("its node rejected the pod", ended.Reason, clusterMessage)
	case ended.ExitCode < 0:
		return explain("its pod ended without an exit code", ended.Reason, clusterMessage)
	case ended.ExitCode == 137 && !ended.Disruption:
		return killed
	case ended.Disruption:
		return explain("its pod was stopped from outside", fmt.Sprintf("exit code %d", ended.ExitCode), clusterMessage)
	case quote != "":
		return fmt.Sprintf("the trainer ended with exit code %d: %s", ended.ExitCode, quote)
	case ended.Reason != "":
		return fmt.Sprintf("the trainer ended with exit code %d (%s) and left no message", ended.ExitCode, ended.Reason)
	default:
		return fmt.Sprintf("the trainer ended with exit code %d and left no message", ended.ExitCode)
	}
}

// explain returns "what (detail): message" without the parts that are empty.
func explain(what, detail, message string) string {
	if detail != "" {
		what += " (" + detail + ")"
	}
	if message != "" {
		what += ": " + message
	}
	return what
}

// reasonPattern matches the reasons that a pod's termination message may have: CamelCase, as in Kubernetes.
var reasonPattern = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)

// Reason returns the reason in the pod's termination message, which says more than an exit code. Without a usable one
// it returns the class.
func (e Ending) Reason() string {
	if reasonPattern.MatchString(e.Result.Reason) && e.Class != wire.ClassSucceeded {
		return e.Result.Reason
	}
	return string(e.Class)
}

// causeInLog returns the line of a log that names the cause: the first line in which a Go program panics, or otherwise
// the last line.
func causeInLog(logged string) (last string) {
	for line := range strings.Lines(logged) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return plaintext.Cut(line, maxQuote)
		}
		if line != "" {
			last = line
		}
	}
	return plaintext.Cut(last, maxQuote)
}
