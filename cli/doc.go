// Command plumb follows training runs and promotes their best checkpoints to models. Installed under the name
// kubectl-plumb it is a kubectl plugin. It is used at both ends of the walk: `plumb dataset` draws and checks data sets
// before a run, `plumb watch` and `plumb best` read a run's status, and `plumb promote` creates the ModelVersion that
// the operator publishes.
//
// plumb reads and writes Kubernetes objects only. It connects neither to NATS nor to the checkpoint store.
//
// Package main only puts the parts together. Each verb is a package cmd/<verb> with an Options struct, NewCmd<Verb> and
// run<Verb>; the packages beside cmd hold what several verbs need. Verbs do not import one another. Pure functions turn
// a status into lines of text, so the golden files in the verbs' testdata show the output for every state of a run.
package main
