// Package clustertest runs verbs in tests, with a fake cluster and a clock that does not move. The folder runs holds a
// TrainingRun for each state that a run can be in. The golden files of the verbs show these runs.
package clustertest
