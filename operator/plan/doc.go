// Package plan decides what happens to a run: from the run, what the cluster shows of its Jobs and pods, what its
// reports say, and the time, it makes the next status and the Jobs to create, each with a reason. In the walk it stands
// between controller/observe.go, which gathers the input, and controller/status.go and apply.go, which write the status
// and act. It reads what attempt says of each Job and pod, what resolve says of settings, and what selection chooses.
// Pure: no client, no context, no clock, no logger; the stories under testdata/ read as prose what it does over many
// steps.
//
// status.trials is the record. The number of an attempt is in the record before the attempt's Job is created, and how
// the attempt ended is in the record before the next one is decided. So the operator may be killed between any two
// steps.
package plan
