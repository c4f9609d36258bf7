// Package ingest reads the report stream and folds it. In the walk it stands between wire/report.go, what a trial says, and
// controller/status.go, what is shown of it. One ordered consumer, of the leader alone, reads from the oldest sequence that an
// active run's status names; nothing is acknowledged, so nothing can be lost by a restart or block behind a stuck run. A ledger
// per run is an idempotent fold in memory: it is made anew from the stream whenever the operator starts.
package ingest
