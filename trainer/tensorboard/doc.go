// Package tensorboard writes what a trial reports as an event file that TensorBoard reads: curves of the metrics, the PR curve and
// pictures of the mistakes of each new best, and the settings.
//
// In the walk it stands beside outbox: both get a report once the loop has told it, and nothing that happens here comes back. A
// report is the record, an event file is a picture of it.
//
// A writer (one pod) writes one file, into its own directory beside its checkpoints:
//
//	<uri>/<run uid>/<trial>/<writer>/events.out.tfevents.<seconds>.<writer>
//
// so that `tensorboard --logdir <uri>/<run uid>` shows a run of TensorBoard's for every attempt of every trial, all with the same
// tags. A resuming writer is told the history of its trial anyway, to report it again; so its file begins with epoch 1 and is the
// whole trial's. No point is there twice in one file, nothing is lost with a pod, no file has two writers, and an attempt that was
// given up for lost and still trains disturbs nobody.
//
// The messages are TensorFlow's event.proto and summary.proto, of which fifteen fields are needed. They are put together by hand:
// the bytes are then those that Python writes, which a test compares, and what the plug-ins for PR curves, hyperparameters and
// custom scalars store is of the same kind and in no generated package.
package tensorboard
