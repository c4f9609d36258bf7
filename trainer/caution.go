package main

import (
	"fmt"

	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// Cautions about settings.
const (
	smoothed = "labelSmoothing %v moves probabilities towards one half, and the correction for class weights " +
		"does not undo that: the probabilities are not calibrated"
	countedTwice = "samplerWeight %v and lossWeight %v together count rare defects more than once: " +
		"a sum above 1 costs precision"
	emulated = "this CPU has no instructions for bfloat16: it is emulated, and slower than float32"
)

// cautions returns notes for the person who chose these settings. None of them is an error, but each has an effect that
// surprises.
func cautions(h wire.Hyperparameters, i wire.Imbalance, gpu bool) (notes []string) {
	if h.LabelSmoothing > 0 {
		notes = append(notes, fmt.Sprintf(smoothed, h.LabelSmoothing))
	}
	if i.SamplerWeight+i.LossWeight > 1 {
		notes = append(notes, fmt.Sprintf(countedTwice, i.SamplerWeight, i.LossWeight))
	}
	if h.Precision == wire.BFloat16 && !gpu && session.EmulatesBFloat16() {
		notes = append(notes, emulated)
	}
	return notes
}
