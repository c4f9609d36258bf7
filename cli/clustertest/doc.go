// Package clustertest runs verbs in tests: before a fake cluster, with a clock that stands still. Its folder runs holds
// one TrainingRun for each state that a run can be in; these are what the golden files of the verbs show.
package clustertest
