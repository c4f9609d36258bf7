// Package decision holds what both planners, plan and promotion, return: events and actions, each with its reason. The
// controllers record the events and carry out the actions.
package decision

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/operator/plaintext"
)

// MaxMessage is how many characters a condition's or an event's message may have. The API server keeps less of an
// event.
const MaxMessage = 4096

// Action has exactly one of Create, Delete and Expire set. Each can be repeated: creating a Job that exists and
// deleting an object that is gone both succeed.
type Action struct {
	Create *batchv1.Job // a Job of that name that has the same owner is the same Job
	Delete *batchv1.Job // this very Job, by uid; its pod is asked to end and has its grace period
	Expire bool         // delete the run itself
	Reason string
}

// Severity is an event's type in Kubernetes.
type Severity string

// The severities of events.
const (
	Normal  Severity = "Normal"
	Warning Severity = "Warning"
)

// Event is recorded once, after the status that it is about was written.
type Event struct {
	Severity Severity
	Reason   string
	Message  string // at most MaxMessage characters
	// Job is the attempt's Job that the event is about; empty: none. Kubernetes joins events that differ in nothing but
	// their message and name the same Job.
	Job string
}

// NewEvent returns an event with a clean message.
func NewEvent(severity Severity, job, reason, format string, args ...any) Event {
	message := plaintext.Cut(fmt.Sprintf(format, args...), MaxMessage)
	return Event{Severity: severity, Reason: reason, Message: message, Job: job}
}

// Time returns t with the precision that the API server keeps, so that a status that is read back equals the one
// written.
func Time(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}
