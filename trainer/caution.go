package main

import (
	"fmt"

	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// cautions are what somebody who chose these settings should know: nothing here is wrong, and all of it surprises.
func cautions(h wire.Hyperparameters, i wire.Imbalance, gpu bool) (notes []string) {
	caution := func(when bool, format string, args ...any) {
		if when {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	caution(h.LabelSmoothing > 0,
		"label smoothing %v bends probabilities towards one half: undoing the class weights' shift no longer gives calibrated ones", h.LabelSmoothing)
	caution(i.SamplerWeight+i.LossWeight > 1,
		"sampler weight %v and loss weight %v together count rare defects more than once: exponents above 1 in sum cost precision", i.SamplerWeight, i.LossWeight)
	caution(h.Precision == wire.BFloat16 && !gpu && session.EmulatesBFloat16(),
		"this CPU has no instructions for bfloat16: it is emulated, and slower than float32")
	return notes
}
