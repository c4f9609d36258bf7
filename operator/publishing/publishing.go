package publishing

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/plaintext"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// Input is everything that the plan of one version depends on.
type Input struct {
	Version *api.ModelVersion
	Model   *api.Model      // the version's model; nil: it does not exist
	Cluster attempt.Cluster // the version's own Jobs and their pods
	Now     time.Time
}

// Plan says what the controller must do, in this order: write Status if it differs from the version's status, record
// Events, carry out Actions.
type Plan struct {
	Status  api.ModelVersionStatus
	Events  []decision.Event
	Actions []decision.Action
	After   time.Duration // when to plan again even if nothing is observed to change; 0: never
}

// jobName returns the name of the Job for one attempt to publish a version.
func jobName(version string, number int32) string {
	return fmt.Sprintf("%s-p%d", version, number)
}

// Make makes the plan of one version. status.attempts and status.job are the record. If they name an attempt without a
// Job, that attempt has been decided, and its Job is created unless the Job is observed. The operator never touches the
// store: it knows only what a Job says in its termination message.
func Make(in Input) Plan {
	p := &planner{Input: in, next: in.Version.Status.DeepCopy()}
	p.next.ObservedGeneration = in.Version.Generation
	if in.Version.Status.CompletionTime == nil {
		p.advance()
	}
	return Plan{Status: *p.next, Events: p.events, Actions: p.actions, After: p.after}
}

// Messages of the conditions Verified and Published.
const (
	notVerifiedYet = "the publishing Job has not checked the checkpoint yet"
	notVerified    = "publishing failed, and no Job has said whether the checkpoint is intact"
	verified       = "every digest matched, and the exported model repeated the recorded predictions"

	modelNotFound    = "there is no Model %s in namespace %s: publishing waits until you create it"
	awaitingEnd      = "waits for the end of %s: two pods never publish the same version at once"
	jobPublishes     = "Job %s checks the checkpoint, exports the model and publishes it"
	publishedNothing = "the publishing Job ended with exit code 0 but did not say what it published: " +
		"check that its image is a Plumbline trainer"
)

// planner holds one plan while it is made.
type planner struct {
	Input
	next    *api.ModelVersionStatus
	events  []decision.Event
	actions []decision.Action
	after   time.Duration
}

// advance takes the next step: it decides an attempt, creates its Job, or records what the attempt waits for or how it
// ended.
func (p *planner) advance() {
	if meta.FindStatusCondition(p.next.Conditions, api.ConditionVerified) == nil {
		p.setCondition(api.ConditionVerified, metav1.ConditionUnknown, "NotYet", notVerifiedYet)
	}
	if p.next.Attempts == 0 {
		p.startAttempt()
		return
	}
	for _, wait := range p.Cluster.UntilLost(ofVersion, p.nodeLoss()) {
		p.after = wait
	}
	a := p.Cluster.Of(p.jobName())
	switch {
	case a.Job == nil && p.next.Job == "":
		p.createJob()
	case a.Job == nil:
		p.endAttempt(attempt.Vanished("the publishing Job was deleted", time.Time{}))
	default:
		p.next.Job = a.Job.Name
		if e, ok := a.Ending(false, p.nodeLoss()); ok {
			p.endAttempt(e)
			return
		}
		p.describeWait(a)
	}
}

// startAttempt decides the next attempt, unless a pod of an earlier attempt may still run or the Model does not exist.
func (p *planner) startAttempt() {
	if remaining := p.Cluster.Remaining(ofVersion, p.nodeLoss()); remaining != "" {
		p.setPublished(false, "AwaitingEnd", fmt.Sprintf(awaitingEnd, remaining))
		return
	}
	if !p.requireModel() {
		return
	}
	p.next.Attempts++
	p.next.Job = ""
	p.setPublished(false, "Creating", fmt.Sprintf("Job %s is being created", p.jobName()))
	v := p.Version.Spec
	p.addEvent(decision.Normal, "PublishingStarted",
		"attempt %d to publish %s as version %d of %s", p.next.Attempts, v.Trial, v.Version, v.Model)
	p.createJob()
}

// ofVersion matches every pod and Job: Input.Cluster holds the version's own only.
func ofVersion(map[string]string) bool { return true }

func (p *planner) nodeLoss() attempt.NodeLoss {
	return attempt.NodeLoss{Seconds: attempt.DefaultNodeLossSeconds, Now: p.Now}
}

func (p *planner) jobName() string { return jobName(p.Version.Name, p.next.Attempts) }

// requireModel reports whether the version's Model exists. If it does not, requireModel sets the condition Published to
// say so.
func (p *planner) requireModel() bool {
	if p.Model != nil {
		return true
	}
	message := fmt.Sprintf(modelNotFound, p.Version.Spec.Model, p.Version.Namespace)
	if p.publishedReason() != "ModelNotFound" {
		p.addEvent(decision.Warning, "ModelNotFound", "%s", message)
	}
	p.setPublished(false, "ModelNotFound", message)
	return false
}

// describeWait sets the condition Published of a version whose attempt has not ended to what the attempt waits for.
func (p *planner) describeWait(a attempt.Observed) {
	w := a.Wait(attempt.Wait{}, p.Cluster.Warnings)
	if w.Reason == attempt.ReasonFirstReport {
		w = attempt.Wait{Reason: "Publishing", Message: fmt.Sprintf(jobPublishes, a.Job.Name)}
	}
	isNew := w.Reason != p.publishedReason()
	if w.Reason == attempt.ReasonImage && !isNew {
		return // Kubernetes alternates between two messages about an image that cannot be pulled: keep the first
	}
	if w.Stuck && isNew {
		p.addEvent(decision.Warning, w.Reason, "publishing waits: %s", w.Message)
	}
	p.setPublished(false, w.Reason, w.Message)
}

// endAttempt records how an attempt ended. After it the version is published, another attempt follows after a wait, or
// publishing has failed for good.
func (p *planner) endAttempt(e attempt.Ending) {
	if e.Class == wire.ClassSucceeded && (e.Result.URI == "" || e.Result.Digest == "") {
		e = attempt.Ending{Class: wire.ClassCrash, At: e.At, Sentence: publishedNothing}
	}
	retryAt := e.At.Add(attempt.Backoff(p.next.Attempts))
	switch retry := e.Class.Retry() != wire.RetryNever && p.next.Attempts <= attempt.DefaultMaxRetries; {
	case e.Class == wire.ClassSucceeded:
		p.succeed(e)
	case retry && p.Now.Before(retryAt):
		p.after = retryAt.Sub(p.Now)
		message := e.RetryMessage(p.next.Attempts)
		was := meta.FindStatusCondition(p.next.Conditions, api.ConditionPublished)
		if was == nil || was.Message != message {
			p.addEvent(decision.Warning, e.Reason(), "%s", message)
		}
		p.setPublished(false, e.Reason(), message)
	case retry:
		p.startAttempt()
	default:
		p.fail(e)
	}
}

func (p *planner) succeed(e attempt.Ending) {
	p.next.URI, p.next.Digest = plaintext.Clean(e.Result.URI), plaintext.Clean(e.Result.Digest)
	p.next.CompletionTime = decision.Time(e.When(p.Now))
	p.setCondition(api.ConditionVerified, metav1.ConditionTrue, "Verified", verified)
	message := fmt.Sprintf("version %d of %s is at %s", p.Version.Spec.Version, p.Version.Spec.Model, e.Result.URI)
	p.setPublished(true, "Published", message)
	p.addEvent(decision.Normal, "Published", "%s", message)
}

func (p *planner) fail(e attempt.Ending) {
	message := e.Sentence
	if e.Class.Retry() != wire.RetryNever {
		message = fmt.Sprintf("%s (failed after %d retries)", message, p.next.Attempts-1)
	}
	p.next.CompletionTime = decision.Time(e.When(p.Now))
	if e.Class == wire.ClassData {
		p.setCondition(api.ConditionVerified, metav1.ConditionFalse, e.Reason(), message)
	} else {
		p.setCondition(api.ConditionVerified, metav1.ConditionUnknown, "NotKnown", notVerified)
	}
	p.setPublished(false, e.Reason(), message)
	p.addEvent(decision.Warning, e.Reason(), "not published: %s", message)
}

// createJob creates the Job of the attempt that has been decided. If the Model was deleted since, createJob waits for
// it.
func (p *planner) createJob() {
	if !p.requireModel() {
		return
	}
	v := p.Version
	document, err := json.Marshal(wire.Publication{
		Version:    wire.Version,
		Namespace:  v.Namespace,
		Model:      v.Spec.Model,
		Number:     v.Spec.Version,
		Registry:   string(p.Model.Spec.Registry.URI),
		Checkpoint: wire.CheckpointRef{URI: v.Spec.Checkpoint.URI, Digest: v.Spec.Checkpoint.Digest},
		Run:        wire.Run{Namespace: v.Namespace, Name: v.Spec.Run.Name, UID: v.Spec.Run.UID},
		Trial:      v.Spec.Trial,
		Scratch:    podspec.ScratchDir,
		Result:     podspec.TerminationLog,
	})
	if err == nil {
		_, err = wire.DecodePublication(document)
	}
	if err != nil {
		p.fail(attempt.Ending{Class: wire.ClassSettings, Sentence: err.Error()})
		return
	}
	p.actions = append(p.actions, decision.Action{
		Create: job(v, p.Model, p.next.Attempts, string(document)),
		Reason: fmt.Sprintf("%s needs attempt %d", v.Name, p.next.Attempts),
	})
}

// publishedReason returns the reason of the condition Published, or "" if the condition has never been set.
func (p *planner) publishedReason() string {
	return decision.ReasonOf(p.next.Conditions, api.ConditionPublished)
}

func (p *planner) setPublished(ok bool, reason, message string) {
	p.setCondition(api.ConditionPublished, decision.ConditionStatus(ok), reason, message)
}

func (p *planner) setCondition(kind string, status metav1.ConditionStatus, reason, message string) {
	decision.SetCondition(&p.next.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: p.Version.Generation,
	}, p.Now)
}

func (p *planner) addEvent(severity decision.Severity, reason, format string, args ...any) {
	p.events = append(p.events, decision.NewEvent(severity, p.next.Job, reason, format, args...))
}

// ModelStatus returns a Model's status that takes a version of the Model into account. Numbers in it never decrease.
func ModelStatus(m *api.Model, v *api.ModelVersion) api.ModelStatus {
	s := m.Status
	s.LastNumber = max(s.LastNumber, v.Spec.Version)
	if meta.IsStatusConditionTrue(v.Status.Conditions, api.ConditionPublished) {
		s.LatestVersion = max(s.LatestVersion, v.Spec.Version)
	}
	return s
}
