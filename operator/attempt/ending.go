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

// maxQuote is how many characters of a log are quoted.
const maxQuote = 300

// Ending says how an attempt ended.
type Ending struct {
	Class    wire.Class
	ExitCode *int32      // nil: the container reported none
	Sentence string      // for people
	At       time.Time   // zero: not known
	Result   wire.Result // the pod's termination message; zero: it left none
}

// When returns the time at which the attempt ended, or now where that is not known.
func (e Ending) When(now time.Time) time.Time {
	if e.At.IsZero() {
		return now
	}
	return e.At
}

// Ending says how the attempt ended, and whether it has. hadPod: a pod of this attempt was observed before.
//
// A pod that ended is enough: its Job makes no other, and the pod may be gone before the Job has counted it. A
// suspended Job whose pod is gone was suspended by Kueue, which wants its place for another.
func (a Observed) Ending(hadPod bool, loss NodeLoss) (Ending, bool) {
	done, jobEnded := JobEnded(a.Job)
	switch {
	case a.Pod != nil && loss.Lost(a.Pod):
		due := a.Pod.DeletionTimestamp
		return Ending{Class: wire.ClassInterrupted, At: due.Time, Sentence: fmt.Sprintf(
			"its pod should have ended at %s and node %s has not said that it did: both are given up",
			due.UTC().Format(time.TimeOnly), a.Pod.Spec.NodeName)}, true
	case a.Pod == nil && hadPod && JobSuspended(a.Job):
		return Ending{Class: wire.ClassInterrupted, Sentence: "its queue took its place back: the Job was suspended from outside"}, true
	case a.Pod != nil && PodEnded(a.Pod):
		return PodEnding(a.Pod), true
	case !jobEnded:
		return Ending{}, false
	case done.Type == batchv1.JobComplete:
		return Ending{Class: wire.ClassSucceeded, At: done.LastTransitionTime.Time}, true
	default:
		return Vanished("its pod vanished before it said how it ended", done.LastTransitionTime.Time), true
	}
}

// Vanished returns the ending of an attempt whose Job or pod is gone and that left no message.
func Vanished(sentence string, at time.Time) Ending {
	return Ending{Class: wire.Classify(wire.Ended{ExitCode: -1, Lost: true}), Sentence: sentence, At: at}
}

// PodEnding says how a pod that has ended did.
func PodEnding(p *corev1.Pod) Ending {
	ended := wire.Ended{ExitCode: -1, Reason: p.Status.Reason, Disruption: p.DeletionTimestamp != nil}
	outside, quote := p.Status.Message, ""
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			ended.Disruption, outside = true, c.Message
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
			quote = lastWords(t.Message)
		}
	}
	// No container: the node took the pod in and turned it away, because its devices were not there yet or it was going
	// down. Eviction is not that: it may be of a pod that has filled its disk.
	ended.Lost = terminated(p) == nil && p.Status.Phase == corev1.PodFailed && p.Status.Reason != "Evicted"
	e.Class = wire.Classify(ended)
	e.Sentence = sentence(e, ended, outside, quote)
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
func sentence(e Ending, ended wire.Ended, outside, quote string) string {
	if m, at := e.Result.Message, e.Result.Where; m != "" {
		if at != "" && !strings.Contains(m, at) {
			m = at + ": " + m
		}
		return m
	}
	switch {
	case e.Class == wire.ClassMemory:
		return "the trainer was killed because it needed more memory than it may use: raise resources.limits.memory, or lower batchSize"
	case ended.Lost:
		return strings.TrimSuffix(fmt.Sprintf("its node turned the pod away (%s): %s", ended.Reason, outside), ": ")
	case ended.ExitCode < 0:
		return strings.TrimSuffix(fmt.Sprintf("its pod ended without a word (%s): %s", ended.Reason, outside), ": ")
	case ended.ExitCode == 137 && !ended.Disruption:
		return "the trainer was killed (SIGKILL), and nobody says by whom: a node that runs out of memory does that, and so does a person"
	case ended.Disruption:
		return strings.TrimSuffix(fmt.Sprintf("its pod was stopped from outside (exit code %d): %s", ended.ExitCode, outside), ": ")
	case quote != "":
		return fmt.Sprintf("the trainer ended with exit code %d: %s", ended.ExitCode, quote)
	case ended.Reason != "":
		return fmt.Sprintf("the trainer ended with exit code %d (%s) and left no message", ended.ExitCode, ended.Reason)
	default:
		return fmt.Sprintf("the trainer ended with exit code %d and left no message", ended.ExitCode)
	}
}

// word is what a pod may call the reason of its end.
var word = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)

// Reason returns the reason in the pod's termination message, which says more than an exit code, or else the class.
func (e Ending) Reason() string {
	if word.MatchString(e.Result.Reason) && e.Class != wire.ClassSucceeded {
		return e.Result.Reason
	}
	return string(e.Class)
}

// lastWords finds the cause in the end of a log: where a Go program panics, or the last line.
func lastWords(logged string) (last string) {
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
