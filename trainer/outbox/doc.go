// Package outbox sends a trial's reports to the stream. The trial never waits for NATS.
//
// In the walk it comes after the loop's journal, which appends reports to the spool. A Sender takes them from the
// spool and sends them to NATS JetStream in the background, one at a time and in order, each until it is
// acknowledged. On the other side ingest folds them. During an outage of NATS the spool grows and training continues.
// A spool is lost with its pod. Its reports are also in the history of the newest checkpoint, and the next writer
// sends them again.
package outbox
