package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a ModelVersion. True is the good state.
const (
	// ConditionVerified is True once the publishing Job has checked every digest and replayed the recorded predictions.
	// False says what did not match.
	ConditionVerified = "Verified"
	// ConditionPublished is True once the version is visible in the registry, whole. False says what it waits for, or why it
	// never will be.
	ConditionPublished = "Published"
)

// ModelVersion is one promoted checkpoint. It is immutable and holds a copy of what was promoted, so that it outlives its
// run. Its name is <model>-v<number>: the API server itself sees to it that no number is given twice.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mver,categories=plumbline
// +kubebuilder:printcolumn:name="Model",type=string,JSONPath=`.spec.model`
// +kubebuilder:printcolumn:name="Version",type=integer,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Published",type=string,JSONPath=`.status.conditions[?(@.type=="Published")].status`
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.spec.run.name`
// +kubebuilder:printcolumn:name="Trial",type=string,JSONPath=`.spec.trial`
// +kubebuilder:printcolumn:name="AUC-PR",type=string,JSONPath=`.spec.metrics.aucPR`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.startsWith(self.spec.model + '-v') && self.metadata.name.matches('-v[1-9][0-9]{0,8}$') && int(self.metadata.name.substring(size(self.spec.model) + 2)) == self.spec.version",message="metadata.name must be <spec.model>-v<spec.version>: that is how a number is given only once"
type ModelVersion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was promoted. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a ModelVersion cannot change: promote again to make another version"
	Spec ModelVersionSpec `json:"spec"`
	// status is how far publishing has come. Only the operator writes it.
	// +optional
	Status ModelVersionStatus `json:"status,omitempty"`
}

// ModelVersionList is a list of ModelVersions.
//
// +kubebuilder:object:root=true
type ModelVersionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ModelVersion `json:"items"`
}

// ModelVersionSpec is what was promoted, copied from the run.
type ModelVersionSpec struct {
	// model is the name of the Model, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Model string `json:"model"`
	// version is its number, counted from 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999999999
	Version int64 `json:"version"`
	// run that trained it.
	// +required
	Run RunRef `json:"run"`
	// trial of that run.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Trial string `json:"trial"`
	// depth of that trial.
	// +required
	Depth Depth `json:"depth"`
	// epoch of the checkpoint.
	// +required
	// +kubebuilder:validation:Minimum=1
	Epoch int32 `json:"epoch"`
	// checkpoint that is published.
	// +required
	Checkpoint CheckpointRef `json:"checkpoint"`
	// metrics on validation, as the run reported them.
	// +required
	Metrics Metrics `json:"metrics"`
	// promotedBy is who asked for it, as the client states it; the API server's audit log is the proof.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PromotedBy string `json:"promotedBy,omitempty"`
	// reason for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// RunRef names a TrainingRun.
type RunRef struct {
	// name of the run.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// uid of the run: a later run of the same name is another one.
	// +required
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`
}

// ModelVersionStatus is how far publishing has come.
type ModelVersionStatus struct {
	// observedGeneration is the generation of spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Verified, Published.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// uri of the published version.
	// +optional
	URI string `json:"uri,omitempty"`
	// digest of what was published.
	// +optional
	Digest string `json:"digest,omitempty"`
	// attempts to publish it so far.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// job is the newest publishing Job.
	// +optional
	Job string `json:"job,omitempty"`
	// completionTime is when it was published or given up.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}
