package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Model is a named thing that is served: where its versions are published, and how.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=model,categories=plumbline
// +kubebuilder:printcolumn:name="Version",type=integer,JSONPath=`.status.latestVersion`,description="newest published version"
// +kubebuilder:printcolumn:name="Registry",type=string,JSONPath=`.spec.registry.uri`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40 && !self.metadata.name.contains('.')",message="metadata.name must be at most 40 characters without dots: the names of Jobs are made from it"
type Model struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is where and how versions are published.
	// +required
	Spec ModelSpec `json:"spec"`
	// status is what was published. Only the operator writes it.
	// +optional
	Status ModelStatus `json:"status,omitempty"`
}

// ModelList is a list of Models.
//
// +kubebuilder:object:root=true
type ModelList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Model `json:"items"`
}

// ModelSpec is where and how versions are published.
//
// +kubebuilder:validation:XValidation:rule="self.registry == oldSelf.registry",message="registry cannot change: versions that were published there would be lost from sight; create another Model"
type ModelSpec struct {
	// registry receives the versions.
	// +required
	Registry Registry `json:"registry"`
	// publishing describes the publishing Job's pod. It must mount the registry and the checkpoints.
	// +required
	Publishing PodTemplate `json:"publishing"`
}

// Registry is a directory in TensorFlow Serving's layout: <uri>/<model>/<integer>/.
type Registry struct {
	// uri of the directory, as the publishing pod sees it: file:///models. It must be on a volume that publishing mounts: the pod's own
	// file system is read-only. Immutable.
	// +required
	URI Location `json:"uri"`
}

// ModelStatus is what was published.
type ModelStatus struct {
	// latestVersion that was published.
	// +optional
	LatestVersion int64 `json:"latestVersion,omitempty"`
	// lastNumber is the highest number that any version of this model ever had; numbers are not used twice.
	// +optional
	LastNumber int64 `json:"lastNumber,omitempty"`
}
