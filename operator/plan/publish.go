package plan

import (
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// PublishInput is everything that the publishing of one version is planned from.
type PublishInput struct {
	Version *api.ModelVersion
	Model   *api.Model // nil: there is none of that name
	Cluster Cluster    // the version's own Jobs, and their pods
	Now     time.Time
}

// PublishPlan is what to do, as Plan is for a run.
type PublishPlan struct {
	Status  api.ModelVersionStatus
	Events  []Event
	Actions []Action
	After   time.Duration
}

// PublishJobName is the name of an attempt to publish.
func PublishJobName(version string, attempt int32) string {
	return fmt.Sprintf("%s-p%d", version, attempt)
}

// MakePublish decides about one version. status.attempts and status.job are the record: an attempt without a job is decided,
// and its Job is to be created unless it is seen. The operator never touches the store: what a Job says is all it knows.
func MakePublish(in PublishInput) PublishPlan {
	p := &publisher{PublishInput: in, next: in.Version.Status.DeepCopy()}
	p.next.ObservedGeneration = in.Version.Generation
	if in.Version.Status.CompletionTime == nil {
		p.advance()
	}
	return PublishPlan{Status: *p.next, Events: p.events, Actions: p.actions, After: p.after}
}

type publisher struct {
	PublishInput
	next    *api.ModelVersionStatus
	events  []Event
	actions []Action
	after   time.Duration
}

func (p *publisher) advance() {
	if meta.FindStatusCondition(p.next.Conditions, api.ConditionVerified) == nil {
		p.condition(api.ConditionVerified, metav1.ConditionUnknown, "NotYet", "the publishing Job has not checked the checkpoint yet")
	}
	if p.next.Attempts == 0 {
		p.begin()
		return
	}
	p.Cluster.lingering(ofVersion, defaultNodeLossSeconds, p.Now, func(d time.Duration) { p.after = d })
	a := p.Cluster.attempt(PublishJobName(p.Version.Name, p.next.Attempts))
	switch {
	case a.job == nil && p.next.Job == "":
		p.create()
	case a.job == nil:
		p.ended(lost("the publishing Job was deleted", time.Time{}))
	default:
		p.next.Job = a.job.Name
		if e, ok := a.ending(false, p.givenUp); ok {
			p.ended(e)
			return
		}
		p.publishing(a)
	}
}

// begin decides the next attempt.
func (p *publisher) begin() {
	if left := p.Cluster.alive(ofVersion, p.givenUp); left != "" {
		p.published(false, "AwaitingEnd", "waits for the end of "+left+": a version is never published twice at once")
		return
	}
	if !p.modelExists() {
		return
	}
	p.next.Attempts++
	p.next.Job = ""
	p.published(false, "Creating", fmt.Sprintf("Job %s is being created", PublishJobName(p.Version.Name, p.next.Attempts)))
	p.event(false, "PublishingStarted", "attempt %d to publish %s as version %d of %s", p.next.Attempts, p.Version.Spec.Trial, p.Version.Spec.Version, p.Version.Spec.Model)
	p.create()
}

// ofVersion: all pods and Jobs that were observed are the version's own.
func ofVersion(map[string]string) bool { return true }

func (p *publisher) givenUp(pod *corev1.Pod) bool { return givenUp(pod, defaultNodeLossSeconds, p.Now) }

func (p *publisher) modelExists() bool {
	if p.Model != nil {
		return true
	}
	name := p.Version.Spec.Model
	message := fmt.Sprintf("there is no Model %s in namespace %s: create it, and publishing goes on", name, p.Version.Namespace)
	if was := meta.FindStatusCondition(p.next.Conditions, api.ConditionPublished); was == nil || was.Reason != "ModelNotFound" {
		p.event(true, "ModelNotFound", "%s", message)
	}
	p.published(false, "ModelNotFound", message)
	return false
}

// publishing describes an attempt that has not ended.
func (p *publisher) publishing(a attempt) {
	reason, message, stuck := a.waiting(&api.TrialStatus{}, p.Cluster.Warnings)
	if reason == reasonFirstReport {
		reason, message = "Publishing", "Job "+a.job.Name+" checks, exports and publishes"
	}
	was := meta.FindStatusCondition(p.next.Conditions, api.ConditionPublished)
	if reason == reasonImage && was != nil && was.Reason == reasonImage {
		return // the two messages of an image that cannot be pulled alternate
	}
	if stuck && (was == nil || was.Reason != reason) {
		p.event(true, reason, "publishing waits: %s", message)
	}
	p.published(false, reason, message)
}

// ended records how an attempt ended: with a version, with another attempt after a while, or for good.
func (p *publisher) ended(e ending) {
	if e.class == wire.ClassSucceeded && (e.result.URI == "" || e.result.Digest == "") {
		e = ending{class: wire.ClassCrash, at: e.at, sentence: "the publishing Job ended well without saying what it published: is its image a Plumbline trainer?"}
	}
	switch again := e.class.Retry() != wire.RetryNever && p.next.Attempts <= defaultMaxRetries; {
	case e.class == wire.ClassSucceeded:
		p.done(e)
	case again && p.Now.Before(e.at.Add(backoff(p.next.Attempts))):
		p.after = e.at.Add(backoff(p.next.Attempts)).Sub(p.Now)
		message := fmt.Sprintf("attempt %d ended and will be followed by another: %s", p.next.Attempts, e.sentence)
		if was := meta.FindStatusCondition(p.next.Conditions, api.ConditionPublished); was == nil || was.Message != message {
			p.event(true, e.reason(), "%s", message)
		}
		p.published(false, e.reason(), message)
	case again:
		p.begin()
	default:
		p.giveUp(e)
	}
}

func (p *publisher) done(e ending) {
	p.next.URI, p.next.Digest = plain(e.result.URI), plain(e.result.Digest)
	p.next.CompletionTime = moment(e.when(p.Now))
	p.condition(api.ConditionVerified, metav1.ConditionTrue, "Verified", "every digest matched and the recorded predictions were replayed")
	p.published(true, "Published", fmt.Sprintf("version %d of %s is at %s", p.Version.Spec.Version, p.Version.Spec.Model, e.result.URI))
	p.event(false, "Published", "version %d of %s is at %s", p.Version.Spec.Version, p.Version.Spec.Model, e.result.URI)
}

func (p *publisher) giveUp(e ending) {
	message := e.sentence
	if e.class.Retry() != wire.RetryNever {
		message = fmt.Sprintf("%s (gave up %s)", message, spent(p.next.Attempts-1))
	}
	p.next.CompletionTime = moment(e.when(p.Now))
	if e.class == wire.ClassData {
		p.condition(api.ConditionVerified, metav1.ConditionFalse, e.reason(), message)
	} else {
		p.condition(api.ConditionVerified, metav1.ConditionUnknown, "NotKnown", "publishing was given up, and no Job has said that the checkpoint is whole")
	}
	p.published(false, e.reason(), message)
	p.event(true, e.reason(), "not published: %s", message)
}

// create makes the Job of the attempt that is decided. A Model that went away meanwhile is waited for.
func (p *publisher) create() {
	if !p.modelExists() {
		return
	}
	v := p.Version
	document, err := json.Marshal(wire.Publication{
		Version: wire.Version, Namespace: v.Namespace, Model: v.Spec.Model, Number: v.Spec.Version,
		Registry:   string(p.Model.Spec.Registry.URI),
		Checkpoint: wire.CheckpointRef{URI: v.Spec.Checkpoint.URI, Digest: v.Spec.Checkpoint.Digest},
		Run:        wire.Run{Namespace: v.Namespace, Name: v.Spec.Run.Name, UID: v.Spec.Run.UID},
		Trial:      v.Spec.Trial, Scratch: podspec.ScratchDir, Result: podspec.TerminationLog,
	})
	if err == nil {
		_, err = wire.DecodePublication(document)
	}
	if err != nil {
		p.giveUp(ending{class: wire.ClassSettings, sentence: err.Error()})
		return
	}
	p.actions = append(p.actions, Action{Create: publishJob(v, p.Model, p.next.Attempts, string(document)), Reason: fmt.Sprintf("%s needs attempt %d", v.Name, p.next.Attempts)})
}

// publishJob belongs to the version and goes with it; what it has published stays. It has no credential: it reports to nobody
// but its own termination message.
func publishJob(v *api.ModelVersion, m *api.Model, attempt int32, document string) *batchv1.Job {
	pod := podspec.Template(m.Spec.Publishing, podspec.Main{
		Command: "publish", Variable: wire.EnvPublication, Document: document, Resources: m.Spec.Publishing.Resources,
	})
	owner := metav1.NewControllerRef(v, api.GroupVersion.WithKind("ModelVersion"))
	return podspec.Job(v.Namespace, PublishJobName(v.Name, attempt), *owner, map[string]string{
		api.LabelModel:   v.Spec.Model,
		api.LabelVersion: fmt.Sprint(v.Spec.Version),
		api.LabelAttempt: fmt.Sprint(attempt),
	}, pod)
}

func (p *publisher) published(ok bool, reason, message string) {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	p.condition(api.ConditionPublished, status, reason, message)
}

func (p *publisher) condition(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.next.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: cut(message, 4096),
		ObservedGeneration: p.Version.Generation, LastTransitionTime: *moment(p.Now),
	})
}

func (p *publisher) event(warning bool, reason, format string, args ...any) {
	p.events = append(p.events, Event{Warning: warning, Reason: reason, Message: cut(fmt.Sprintf(format, args...), maxEvent), Job: p.next.Job})
}

// ModelAfter is a Model's status once a version is known and, perhaps, published. Nothing in it ever goes back.
func ModelAfter(m *api.Model, v *api.ModelVersion) api.ModelStatus {
	s := m.Status
	s.LastNumber = max(s.LastNumber, v.Spec.Version)
	if meta.IsStatusConditionTrue(v.Status.Conditions, api.ConditionPublished) {
		s.LatestVersion = max(s.LatestVersion, v.Spec.Version)
	}
	return s
}
