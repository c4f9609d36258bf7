// Command plumb follows training runs and promotes what they found; installed as kubectl-plumb it is a kubectl plugin.
// In the walk it stands at both ends: `plumb dataset` makes and checks what is trained on, `plumb watch` and `plumb
// best` read a run's status, and `plumb promote` creates the ModelVersion from which the operator publishes.
//
// It reads and writes Kubernetes objects only: neither NATS nor the checkpoint store. main only wires: cmd/<verb> holds
// each verb, as an Options struct, NewCmd<Verb> and run<Verb>; the packages beside cmd hold what several verbs need.
// Verbs do not import one another. What is shown is made by pure functions from status to lines, so that every state of
// a run can be looked at in the golden files of the verbs' testdata.
package main
