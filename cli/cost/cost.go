package cost

import (
	"fmt"
	"strconv"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// Of is what a trial's pods took. The operator counts a pod when it has ended; those that run are counted here, up to
// now.
func Of(r *api.TrainingRun, t api.TrialStatus, now time.Time) api.Cost {
	var c api.Cost
	if t.Cost != nil {
		c = *t.Cost
	}
	for _, a := range t.Attempts {
		if a.StartTime != nil && a.EndTime == nil && !t.Phase.Terminal() {
			seconds := max(0, int64(now.Sub(a.StartTime.Time).Seconds()))
			c.PodSeconds += seconds
			c.GPUSeconds += seconds * gpusOf(r, t.Depth)
		}
	}
	return c
}

// OfRun is the sum over its trials.
func OfRun(r *api.TrainingRun, now time.Time) (sum api.Cost) {
	for _, t := range r.Status.Trials {
		c := Of(r, t, now)
		sum.PodSeconds += c.PodSeconds
		sum.GPUSeconds += c.GPUSeconds
		sum.LostSeconds += c.LostSeconds
		sum.LostGPUSeconds += c.LostGPUSeconds
	}
	return sum
}

// gpusOf are those that a pod of this depth asks for; Kubernetes wants request and limit of them to be the same.
func gpusOf(r *api.TrainingRun, depth api.Depth) int64 {
	resources := r.Spec.Template.Resources
	for _, o := range r.Spec.Overrides {
		if o.Depth == depth && o.Resources != nil {
			resources = *o.Resources
		}
	}
	n, ok := resources.Limits[api.ResourceGPU]
	if !ok {
		n = resources.Requests[api.ResourceGPU]
	}
	return n.Value()
}

// expense is a cost in the unit that matters: GPU-hours, or pod-hours where there is no GPU.
type expense struct {
	Hours, lost float64
	Unit        string // GPU or pod
}

// ExpenseOf returns c in the unit that matters.
func ExpenseOf(c api.Cost) expense {
	if c.GPUSeconds > 0 {
		return expense{float64(c.GPUSeconds) / 3600, float64(c.LostGPUSeconds) / 3600, "GPU"}
	}
	return expense{float64(c.PodSeconds) / 3600, float64(c.LostSeconds) / 3600, "pod"}
}

// String is such as "1.35 GPU-hours", or nothing where there was no cost.
func (e expense) String() string {
	if e.Hours == 0 {
		return ""
	}
	return e.Amount() + " " + e.Unit + "-hours"
}

// Amount without the unit.
func (e expense) Amount() string {
	switch {
	case e.Hours == 0:
		return ""
	case e.Hours >= 100:
		return strconv.FormatFloat(e.Hours, 'f', 0, 64)
	}
	return strconv.FormatFloat(e.Hours, 'f', 2, 64)
}

// LostShare is how much of it trained no epoch that anything went on from.
func (e expense) LostShare() string {
	if e.Hours == 0 || e.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*e.lost/e.Hours)
}

// Yield is what the best has reached for what its trial has cost, such as "0.29 AUC-PR per GPU-hour"; empty until
// status says it.
func Yield(b api.Best) string {
	v, err := b.AUCPRPerGPUHour.Float64()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%.3g AUC-PR per GPU-hour", v)
}
