// Package resnet draws ResNet v1.5 of depth 18, 34, 50, 101 or 152 into a TensorFlow graph: variables, and forward passes
// that share them. It only draws; session runs what is drawn here to train, and export writes it down to be served.
//
// It is PyTorch's ResNet: torchvision's names and initial weights, symmetric padding, batch normalisation with epsilon 1e-5,
// and a bottleneck's stride on its 3x3 convolution (which makes it v1.5). Weights from elsewhere may need the older block or another
// epsilon: Architecture says so, and travels with them.
package resnet
