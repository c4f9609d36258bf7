// Package plan decides what happens to a run: from the run, what the cluster shows of its Jobs and pods, what its
// reports say and the time, it makes the next status and the Jobs to create, each with a reason. In the walk it stands
// between controller/observe.go, which gathers, and controller/apply.go, which acts. Pure: no client, no context, no
// clock, no logger; the stories under testdata/ read as prose what it does over many steps.
//
// status.trials is the record. An attempt's number is in it before the attempt's Job is created, and how the attempt
// ended is in it before the next one is decided, so the operator may be killed between any two steps.
package plan
