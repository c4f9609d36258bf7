// Package v1alpha1 is the Plumbline API, group plumbline.dev: TrainingRun, Model and ModelVersion. The walk begins
// here: a person applies a TrainingRun, and everything else follows from it.
//
// Numbers with a fraction are decimal strings, because Kubernetes advises against floats in its API objects. The API
// server refuses every mistake that it can see, through the CEL rules below. Each rule has a message that says what
// to change.
//
// +kubebuilder:object:generate=true
// +groupName=plumbline.dev
package v1alpha1
