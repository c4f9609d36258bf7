// Package tensorboard writes the reports of a trial as an event file that TensorBoard reads. The file has curves of
// the metrics, the PR curve and pictures of the mistakes of each new best, and the settings.
//
// In the walk it comes after outbox: it receives each report once the report is in the spool, and an error here never
// reaches the trial. The report is the record; the event file only shows it.
//
// A writer (one pod) writes one file, into its own directory beside its checkpoints:
//
//	<uri>/<run uid>/<trial>/<writer>/events.out.tfevents.<seconds>.<writer>
//
// With `tensorboard --logdir <uri>/<run uid>`, each attempt of each trial is a run of TensorBoard's, and all have the
// same tags. A resuming writer sends the reports in the trial's history again. Its file therefore begins with epoch 1
// and contains the whole trial. No point is in a file twice, a lost pod loses no points, and no file has two writers:
// an attempt that is considered lost but still trains does no harm.
//
// The messages are TensorFlow's event.proto and summary.proto, of which this package needs fifteen fields. It encodes
// them itself. The bytes are then the same as Python's, which a test compares. No generated Go package has the
// messages of the plug-ins for PR curves, hyperparameters and custom scalars.
package tensorboard
