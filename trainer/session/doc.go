// Package session is the one place that runs TensorFlow to train. It draws a training step and an evaluation over one resnet,
// keeps them in one graph and one session, and shows the loop a Stepper: step, evaluate, snapshot, restore.
//
// In the walk it stands between resnet, which draws the network, and loop, which knows no TensorFlow.
package session
