// Package pretrained reads weights that others have trained on colour photographs, and adapts them to the channels of
// an inspection's images.
//
// In the walk it is between a file and the first step of training: trainer reads the file with it, and sets the tensors
// in a session's model, whose head stays random. Files are safetensors in torchvision's names, which timm uses too;
// docs/pretrained.md says where to get them. The package needs no TensorFlow, so that the program that converts other
// weights (hack/pretrained) can check its result with it.
package pretrained
