package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Model is a model that is served under one name. It says where its versions are published, and which pod publishes
// them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=model,categories=plumbline
// +kubebuilder:printcolumn:name="Version",type=integer,JSONPath=`.status.latestVersion`,description="Highest published version."
// +kubebuilder:printcolumn:name="Registry",type=string,JSONPath=`.spec.registry.uri`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40 && !self.metadata.name.contains('.')",message="metadata.name must be at most 40 characters without dots: the names of Jobs are made from it"
type Model struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says where and how versions of the model are published.
	// +required
	Spec ModelSpec `json:"spec"`
	// status says which versions were published. Only the operator writes it.
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

// ModelSpec says where and how versions of a model are published.
//
// +kubebuilder:validation:XValidation:rule="self.registry == oldSelf.registry",message="registry cannot change, because the versions that were published there would no longer be found: create another Model"
type ModelSpec struct {
	// registry is the directory that receives the published versions. Immutable.
	// +required
	Registry Registry `json:"registry"`
	// publishing describes the pod that publishes a version. It must mount the registry, for writing, and the
	// checkpoints of the runs whose versions it publishes. It needs no GPU. It can be changed at any time; the next
	// publishing Job uses the change.
	// +required
	Publishing PodTemplate `json:"publishing"`
}

// Registry is a directory in the layout of TensorFlow Serving: <uri>/<model>/<version>/.
type Registry struct {
	// uri is the location of the directory that receives the versions: a file:/// path inside the publishing pod,
	// such as file:///models. It must be on a volume that spec.publishing mounts, because the file system of a
	// container is read-only. Each version becomes the directory <uri>/<model>/<version>/, as TensorFlow Serving
	// expects. Immutable.
	// +required
	URI Location `json:"uri"`
}

// ModelStatus says which versions of a model were published.
type ModelStatus struct {
	// latestVersion is the highest version number that was published. Unset before the first.
	// +optional
	LatestVersion int64 `json:"latestVersion,omitempty"`
	// lastNumber is the highest version number that was ever given, also to versions that were deleted or never
	// published. No number is used twice.
	// +optional
	LastNumber int64 `json:"lastNumber,omitempty"`
}
