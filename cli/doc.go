// Command plumb follows training runs and promotes what they found; installed as kubectl-plumb it is a kubectl plugin.
// In the walk it stands at both ends: `plumb dataset` makes and checks what is trained on, `plumb watch` and `plumb best` read a
// run's status, and `plumb promote` creates the ModelVersion from which the operator publishes.
//
// It reads and writes Kubernetes objects only: neither NATS nor the checkpoint store. One file per verb, each an Options struct,
// newXCmd and a run method. What is shown is made by pure functions from status to lines (runview.go, runlines.go, …), so that
// every state of a run can be looked at in testdata/.
package main
