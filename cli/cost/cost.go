package cost

import (
	"fmt"
	"strconv"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/resolve"
)

// Of returns what the pods of trial t have cost up to now. The operator counts a pod once it has ended, and Of adds the
// pods that still run.
func Of(r *api.TrainingRun, t api.TrialStatus, now time.Time) api.Cost {
	var c api.Cost
	if t.Cost != nil {
		c = *t.Cost
	}
	for _, a := range t.Attempts {
		if a.StartTime != nil && a.EndTime == nil && !t.Phase.Terminal() {
			seconds := max(0, int64(now.Sub(a.StartTime.Time).Seconds()))
			c.PodSeconds += seconds
			c.GPUSeconds += seconds * resolve.GPUs(resolve.Resources(r, t.Depth))
		}
	}
	return c
}

// OfRun returns the sum of Of over the trials of the run.
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

// expense is a cost in one unit: GPU-hours, or pod-hours if no GPU was used.
type expense struct {
	Hours, lost float64
	Unit        string // GPU or pod: the unit is this word's hours
}

// ExpenseOf returns c in GPU-hours, or in pod-hours if it has none.
func ExpenseOf(c api.Cost) expense {
	if c.GPUSeconds > 0 {
		return expense{float64(c.GPUSeconds) / 3600, float64(c.LostGPUSeconds) / 3600, "GPU"}
	}
	return expense{float64(c.PodSeconds) / 3600, float64(c.LostSeconds) / 3600, "pod"}
}

// String returns the hours with their unit, such as "1.35 GPU-hours", or "" if there are none.
func (e expense) String() string {
	if e.Hours == 0 {
		return ""
	}
	return e.Amount() + " " + e.Unit + "-hours"
}

// Amount returns the hours without the unit, or "" if there are none.
func (e expense) Amount() string {
	switch {
	case e.Hours == 0:
		return ""
	case e.Hours >= 100:
		return strconv.FormatFloat(e.Hours, 'f', 0, 64)
	}
	return strconv.FormatFloat(e.Hours, 'f', 2, 64)
}

// LostShare returns the share of the hours, such as 10%, in which an attempt trained no epoch that a later attempt
// resumed from. It returns "" if there are none.
func (e expense) LostShare() string {
	if e.Hours == 0 || e.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*e.lost/e.Hours)
}

// minGPUSeconds is 0.1 GPU-hours. AUC-PR per GPU-hour of a shorter trial is not shown: divided by seconds, it says
// nothing about what training costs.
const minGPUSeconds = 360

// AUCPRPerGPUHour returns b's AUC-PR divided by the GPU-hours of its trial, as status has it, with three digits. It
// returns "" if status does not have it yet, or if the trial took less than 0.1 GPU-hours. trial is the cost of the
// trial.
func AUCPRPerGPUHour(b api.Best, trial api.Cost) string {
	v, err := b.AUCPRPerGPUHour.Float64()
	if err != nil || trial.GPUSeconds < minGPUSeconds {
		return ""
	}
	return fmt.Sprintf("%.3g", v)
}
