// Package session is the one place that runs TensorFlow to train. It draws training steps, the evaluation and the other
// graphs over one resnet, runs them in one session, and offers them to the loop as a loop.Stepper: step, evaluate,
// snapshot, restore.
//
// In the walk it is between resnet, which draws the network, and loop, which knows no TensorFlow.
//
// For a reader who knows PyTorch but not TensorFlow's graphs:
//
//   - An operation is drawn once. It runs in every call of Session.Run whose fetches or targets need it. Within a run,
//     only inputs and control edges (Scope.WithControlDependencies) order the operations. The order in which they were
//     drawn does not.
//   - A variable is a handle. ReadVariableOp reads it; Assign... and ResourceApply... operations change it. A read and
//     a change may run in either order unless an edge orders them.
//   - Values that change from step to step are fed: images, labels, weights, and a vector of numbers such as the
//     learning rate. Values that stay the same (betas, momentum, the clipping norm) are constants in the graph.
//   - A tensor can be dead: Switch makes one of its two outputs dead. An operation with a dead input, or with a control
//     edge from an operation that did not run, does not run, and its outputs are dead too. This is how a step whose
//     gradients are not finite changes nothing: see gate.
package session
