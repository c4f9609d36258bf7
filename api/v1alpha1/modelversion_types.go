package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a ModelVersion. True is the good state.
const (
	// ConditionVerified is True once the publishing Job has checked every digest of the checkpoint and the exported
	// model has repeated the recorded predictions. It is False if something did not match; the message says what. It
	// is Unknown while nothing was checked, and if publishing ended before the check.
	ConditionVerified = "Verified"
	// ConditionPublished is True once the complete version is in the registry. While it is False, the message says
	// what publishing waits for, or why the version will never be published.
	ConditionPublished = "Published"
)

// ModelVersion is one promoted checkpoint. It is immutable and holds a copy of the data of the run that it comes
// from, so that it stays complete after the run was deleted. Its name is <model>-v<version>, so that the API server
// itself refuses a number that was given before.
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
// +kubebuilder:validation:XValidation:rule="self.metadata.name.startsWith(self.spec.model + '-v') && self.metadata.name.matches('-v[1-9][0-9]{0,8}$') && int(self.metadata.name.substring(size(self.spec.model) + 2)) == self.spec.version",message="metadata.name must be <spec.model>-v<spec.version>, so that no number is given twice: correct the name"
type ModelVersion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which checkpoint was promoted, and where it comes from. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a ModelVersion cannot change: promote again to make another version"
	Spec ModelVersionSpec `json:"spec"`
	// status says how far publishing has come. Only the operator writes it.
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

// ModelVersionSpec is a promoted checkpoint with its origin, copied from the run.
type ModelVersionSpec struct {
	// model is the name of the Model, in the same namespace. At most 40 characters. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Model string `json:"model"`
	// version is the number of the version, counted from 1. plumb promote takes the number after the highest that the
	// model ever had. Range: 1 to 999999999. Immutable.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999999999
	Version int64 `json:"version"`
	// run is the TrainingRun that wrote the checkpoint. Immutable.
	// +required
	Run RunRef `json:"run"`
	// trial is the name of the trial that wrote the checkpoint, such as d50. Immutable.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Trial string `json:"trial"`
	// depth is the ResNet depth of the trial. Immutable.
	// +required
	Depth Depth `json:"depth"`
	// epoch is the epoch whose weights the checkpoint holds, counted from 1. Immutable.
	// +required
	// +kubebuilder:validation:Minimum=1
	Epoch int32 `json:"epoch"`
	// checkpoint is the committed checkpoint that is published. Immutable.
	// +required
	Checkpoint CheckpointRef `json:"checkpoint"`
	// metrics holds the metrics of the checkpoint on the validation split, as the run reported them. Immutable.
	// +required
	Metrics Metrics `json:"metrics"`
	// promotedBy is the name of the person who promoted the checkpoint. The client states it and nothing checks it;
	// the audit log of the API server is the proof. At most 253 characters. Default: empty. Immutable.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PromotedBy string `json:"promotedBy,omitempty"`
	// reason is a text for people that says why the checkpoint was promoted. At most 1024 characters. Default: empty.
	// Immutable.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// RunRef names a TrainingRun.
type RunRef struct {
	// name is the name of the TrainingRun.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// uid is the uid (metadata.uid) of the TrainingRun. It distinguishes the run from a later run with the same name.
	// +required
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`
}

// ModelVersionStatus says how far publishing has come.
type ModelVersionStatus struct {
	// observedGeneration is the metadata.generation of the object that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions says how far publishing has come. The types are Verified and Published; True is the good state.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// uri is the location of the published version inside the publishing pod, such as file:///models/erasers/3. Unset
	// until the version is published.
	// +optional
	URI string `json:"uri,omitempty"`
	// digest is the sha256 digest of assets.extra/plumbline.json in the published version. That file lists the
	// digests of all other files. Unset until the version is published.
	// +optional
	Digest string `json:"digest,omitempty"`
	// attempts is how many publishing Jobs were started for this version so far. At most 4.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// job is the name of the newest publishing Job.
	// +optional
	Job string `json:"job,omitempty"`
	// completionTime is when the version was published, or when publishing failed for good. Unset until then.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}
