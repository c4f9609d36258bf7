// Package v1alpha1 is the Plumbline API, group plumbline.dev: TrainingRun, Model and ModelVersion. It is where the walk
// begins: a person applies a TrainingRun, and everything else follows from it.
//
// Numbers with a fraction are decimal strings, because Kubernetes objects hold no floats. What can be refused is refused by
// the API server, through the CEL rules below, each with a message that a person can act on.
//
// +kubebuilder:object:generate=true
// +groupName=plumbline.dev
package v1alpha1
