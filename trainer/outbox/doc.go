// Package outbox brings a trial's reports to the stream without ever keeping the trial waiting.
//
// In the walk it stands behind the loop's journal: what the journal spools here goes to NATS JetStream in the background, one
// report at a time and in order, until each is acknowledged; on the other side ingest folds them. While NATS is away the spool
// grows and training goes on. A spool lasts no longer than its pod: what it still holds at the end is in the newest checkpoint's
// history as well, and the next writer tells it again.
package outbox
