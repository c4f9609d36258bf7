package decision

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/operator/plaintext"
)

// SetCondition sets a condition at the time of the plan. The message is cleaned and at most MaxMessage characters long.
func SetCondition(all *[]metav1.Condition, c metav1.Condition, now time.Time) {
	c.Message = plaintext.Cut(c.Message, MaxMessage)
	c.LastTransitionTime = *Time(now)
	meta.SetStatusCondition(all, c)
}

// ConditionStatus returns the status of a condition that is true or false.
func ConditionStatus(ok bool) metav1.ConditionStatus {
	if ok {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// ReasonOf returns the reason of a condition, or "" if the condition has never been set. Planners compare it with the
// next reason, so that they send an event only when the reason is new.
func ReasonOf(all []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(all, kind); c != nil {
		return c.Reason
	}
	return ""
}
