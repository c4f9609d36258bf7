// Package ingest reads the report stream and folds it. In the walk it stands between wire/report.go, which says what a
// trial reports, and controller/observe.go, which passes the folded reports to the plan. One ordered consumer, of the
// leader alone, reads from the oldest sequence that an active run's status names. Nothing is acknowledged, so a restart
// loses nothing and no run can block another. A ledger per run is an idempotent fold in memory: whenever an operator
// starts, it builds the ledgers again from the stream.
package ingest
