// Package resnet draws ResNet v1.5 of depth 18, 34, 50, 101 or 152 into a TensorFlow graph: the variables, and forward
// passes that share them. It only draws. Package session runs the graph to train, and package export writes it to a
// file to be served.
//
// The network is PyTorch's ResNet: torchvision's names, symmetric padding, batch normalisation with epsilon 1e-5, and
// the stride of a bottleneck on its 3x3 convolution (which makes it v1.5). The initial weights are those of torchvision
// with zero_init_residual=True. Weights from elsewhere may need the older block or another epsilon: an Architecture
// says so, and is stored with the weights.
//
// The graph is drawn through TensorFlow's C API, whose gradients are less complete than those of Python's TensorFlow.
// Its gradients of Conv2D and MaxPool ignore explicit paddings, so padding is drawn as a separate operation.
package resnet
