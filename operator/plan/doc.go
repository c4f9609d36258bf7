// Package plan decides what happens to a run. Its input is the run, the observed Jobs and pods, the reports, and the
// time. Its output is the next status, and the Jobs to create and to delete, each with a reason. In the walk it follows
// controller/observe.go, which gathers the input, and precedes controller/status.go and apply.go, which write the
// status and carry out the actions. The package uses attempt to interpret each Job and pod, ledger for what the trials
// have reported, resolve for settings, and selection for the best checkpoint. It is pure: it has no client, no context,
// no clock and no logger. The stories under testdata/ tell what it does over many steps.
//
// # The record
//
// status.trials is the record. The number of an attempt is in the record before the attempt's Job is created, and the
// end of an attempt is in the record before the next attempt is decided. So the operator may be killed between any two
// steps.
//
// # Conditions
//
// Conditions, phase and counters are derived from the record, and no decision about a trial depends on them. A plan
// reads the conditions of the status before it for three purposes only:
//   - to send an event once, when the reason or the status of Admitted, Suspended or MetricsHealthy changes;
//   - to leave MetricsHealthy unchanged while an operator that has just started reads the stream again, because the
//     reports that it has read so far do not say whether some are missing;
//   - to keep the condition Suspended, now False, on a run that was resumed. A run that was never suspended does not
//     have the condition.
package plan
