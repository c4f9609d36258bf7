// Package decision holds what both planners, plan and publishing, return: conditions, events and actions. Each has a
// reason. The controllers write the conditions, record the events and carry out the actions.
package decision

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/operator/plaintext"
)

// MaxMessage is how many characters the message of a condition or of an event may have. An Event object holds fewer, so
// the controller shortens the message when it records the event.
const MaxMessage = 4096

// Action has exactly one of Create, Delete and Expire set. An action can be repeated: creating a Job that exists and
// deleting an object that is gone both succeed.
type Action struct {
	Create *batchv1.Job // the Job to create; an existing Job with the same name and owner is the same Job
	Delete *batchv1.Job // the Job to delete, by uid; its pod is asked to end and has its grace period
	Expire bool         // delete the run itself
	Reason string       // why, for the log
}

// Severity is an event's type in Kubernetes.
type Severity string

// The severities of events.
const (
	Normal  Severity = "Normal"
	Warning Severity = "Warning"
)

// Event is recorded once, after the status that it belongs to was written.
type Event struct {
	Severity Severity
	Reason   string
	Message  string // at most MaxMessage characters
	// Job is the name of the attempt's Job that the event is about; empty: none. Kubernetes merges two events that name
	// the same Job and differ only in their message.
	Job string
}

// NewEvent returns an event. Its message is cleaned and at most MaxMessage characters long.
func NewEvent(severity Severity, job, reason, format string, args ...any) Event {
	message := plaintext.Cut(fmt.Sprintf(format, args...), MaxMessage)
	return Event{Severity: severity, Reason: reason, Message: message, Job: job}
}

// Time returns t in whole seconds, the precision that the API server keeps. So a status that is read back equals the
// status that was written.
func Time(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}
