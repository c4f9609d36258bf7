// Package pretrained reads weights that others have trained on colour photographs, and fits them to an inspection's channels.
//
// In the walk it stands between a file and the first step of training: main reads the file here and gives the tensors to a session's
// model, whose head stays random. Files are safetensors in torchvision's names, which timm shares; docs/pretrained.md says where to
// get them. It needs no TensorFlow, so that the converter of other people's weights (hack/pretrained) can check what it has made.
package pretrained
