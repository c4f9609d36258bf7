package plan

import (
	"fmt"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

const (
	defaultMaxRetries = 3

	// Backoff doubles from the first to the second bound: long enough for a node to recover, short beside an epoch.
	minBackoff = 2 * time.Second
	maxBackoff = 2 * time.Minute

	// drainEvery is how often the stream's end is asked for again while a run waits to have read it.
	drainEvery = 2 * time.Second

	maxMessage = 2048 // characters in a trial's message, as the CRD has it
)

// A trial that waits is in one of three states: never started (attempt 0), between two attempts (nextAttemptTime is set), or
// decided (neither: the attempt's number is recorded and its Job is to be created, unless it is seen).
func waitsForPlace(t *api.TrialStatus) bool {
	return t.Phase == api.TrialWaiting && (t.Attempt == 0 || t.NextAttemptTime != nil)
}

// advance moves one trial on by what the cluster shows of its newest attempt.
func (p *planner) advance(t *api.TrialStatus) {
	if t.Phase.Terminal() || waitsForPlace(t) {
		return
	}
	if t.Phase == api.TrialFinishing {
		p.finish(t)
		return
	}
	a := p.Cluster.attempt(JobName(p.Run.Name, t.Name, t.Attempt))
	if a.job == nil {
		if t.Phase == api.TrialWaiting {
			p.create(t)
		} else {
			p.ended(t, lost("its Job was deleted", p.Now))
		}
		return
	}
	if a.pod != nil {
		t.Pod, t.Node = a.pod.Name, a.pod.Spec.NodeName
	}
	if e, ok := a.ending(); ok {
		p.ended(t, e)
		return
	}
	p.live(t, a)
}

// live describes an attempt that has not ended.
func (p *planner) live(t *api.TrialStatus, a attempt) {
	stopping := a.pod != nil && a.pod.DeletionTimestamp != nil
	if !stopping && (t.Phase == api.TrialRunning || p.Reports.Trials[t.Name].Attempt >= int(t.Attempt)) {
		p.set(t, api.TrialRunning, "Training", p.Reports.Trials[t.Name].NotFinite)
		return
	}
	phase := api.TrialStarting
	if t.Phase == api.TrialRunning {
		phase = api.TrialRunning
	}
	reason, message, stuck := a.waiting(t)
	if stuck && t.Reason != reason {
		p.about(t, true, reason, " waits: %s", message)
	}
	p.set(t, phase, reason, message)
}

// ended records how an attempt ended, and with it whether there will be another.
func (p *planner) ended(t *api.TrialStatus, e ending) {
	if e.exitCode != nil {
		t.ExitCode = e.exitCode
	}
	retries := int32(defaultMaxRetries)
	if f := p.Run.Spec.FailurePolicy; f != nil {
		retries = or(f.MaxRetries, retries)
	}
	at := e.at
	if at.IsZero() {
		at = p.Now
	}
	switch {
	case e.class == wire.ClassSucceeded:
		p.set(t, api.TrialFinishing, "AwaitingReports", "its pod ended well; its last report has not been read yet")
		t.CompletionTime = moment(at)
		p.finish(t)
	case !retryable(e.class):
		p.fail(t, e, at, e.sentence)
	case t.Retries >= retries:
		p.fail(t, e, at, fmt.Sprintf("%s (gave up %s)", e.sentence, spent(t.Retries)))
	default:
		t.Retries++
		t.NextAttemptTime = moment(p.Now.Add(backoff(t.Retries) + time.Second - time.Nanosecond)) // rounded up
		t.CompletionTime = nil
		p.set(t, api.TrialWaiting, e.reason(), fmt.Sprintf("attempt %d ended and will be followed by another: %s", t.Attempt, e.sentence))
		p.retries = append(p.retries, e.class)
		p.about(t, true, e.reason(), ": %s", t.Message)
	}
}

func (p *planner) fail(t *api.TrialStatus, e ending, at time.Time, message string) {
	t.CompletionTime = moment(at)
	p.set(t, api.TrialFailed, e.reason(), message)
	p.about(t, true, e.reason(), " failed: %s", message)
}

// finish waits for the report that the pod promised by ending well. Once the stream has been read to its end it is there, or
// it was lost: a pod ends with 0 only after the stream has acknowledged it.
func (p *planner) finish(t *api.TrialStatus) {
	switch {
	case p.Stream.Current && p.Reports.Trials[t.Name].Finished:
		p.set(t, api.TrialSucceeded, "Finished", "")
		p.about(t, false, "TrialSucceeded", " has trained all its epochs")
	case p.Stream.Current && p.Reports.Drained:
		p.ended(t, ending{class: ClassReports, sentence: "its pod ended with exit code 0, but the report that it finished is not in the stream: the stream lost it, or image " + p.Run.Spec.Template.Image + " is no Plumbline trainer"})
	default:
		p.again(drainEvery)
	}
}

// start gives free places to trials that wait, in the order of spec.depths.
func (p *planner) start() {
	places := int(or(p.Run.Spec.Parallelism, int32(len(p.next.Trials))))
	for _, t := range p.next.Trials {
		if !t.Phase.Terminal() && t.Phase != api.TrialFinishing && !waitsForPlace(&t) {
			places--
		}
	}
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		if !waitsForPlace(t) {
			continue
		}
		if t.NextAttemptTime != nil && p.Now.Before(t.NextAttemptTime.Time) {
			p.again(t.NextAttemptTime.Sub(p.Now))
			continue
		}
		if left := p.Cluster.alive(t.Name); left != "" {
			p.set(t, t.Phase, "AwaitingEnd", "waits for the end of "+left+": a trial never has two pods at once")
			continue
		}
		if places <= 0 {
			p.set(t, t.Phase, "Queued", fmt.Sprintf("waits for a place: spec.parallelism is %d", or(p.Run.Spec.Parallelism, 0)))
			continue
		}
		places--
		t.Attempt++
		t.NextAttemptTime = nil
		if t.StartTime == nil {
			t.StartTime = p.now()
		}
		t.Pod, t.Node = "", ""
		p.set(t, api.TrialWaiting, "Creating", fmt.Sprintf("Job %s is being created", JobName(p.Run.Name, t.Name, t.Attempt)))
		p.about(t, false, "AttemptStarted", ": attempt %d starts", t.Attempt)
		p.create(t)
	}
}

func (p *planner) create(t *api.TrialStatus) {
	job, err := trialJob(p.Run, t.Depth, t.Attempt, p.Settings)
	if err != nil { // it resolved when the run was admitted, and spec cannot change
		p.set(t, t.Phase, "InvalidSettings", err.Error())
		return
	}
	p.actions = append(p.actions, Action{Create: job, Reason: fmt.Sprintf("%s needs attempt %d", t.Name, t.Attempt)})
}

func (p *planner) set(t *api.TrialStatus, phase api.TrialPhase, reason, message string) {
	t.Phase, t.Reason, t.Message = phase, reason, cut(message, maxMessage)
}

func retryable(c wire.Class) bool { return c.Retryable() || c == ClassReports }

func spent(retries int32) string {
	switch retries {
	case 0:
		return "without retries"
	case 1:
		return "after 1 retry"
	default:
		return fmt.Sprintf("after %d retries", retries)
	}
}

func backoff(retry int32) time.Duration {
	d := minBackoff
	for ; retry > 1 && d < maxBackoff; retry-- {
		d *= 2
	}
	return min(d, maxBackoff)
}

// cut keeps a message within n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
