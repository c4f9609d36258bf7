// Package ingest reads the report stream and folds the reports into one ledger.Ledger per run. In the walk it is
// between wire/report.go, which says what a trial reports, and controller/observe.go, which passes the folded reports
// to the plan.
//
// # Reading
//
// Only the leader reads. It has one ordered consumer, which starts at the oldest sequence that the status of an active
// run names. The consumer acknowledges nothing, so a restart loses nothing, and a bad report does not hold up the
// reports behind it. consumer.go reads, stream.go connects, and belongs.go refuses reports that are malformed or do not
// belong to their run.
//
// # Reports that were dropped
//
// A ledger is whole unless the stream dropped reports of its run before they were read: by its limits, by a purge, or
// because the stream was replaced. With a ledger that is not whole the plan only moves a status forward, and keeps what
// the status knows beyond the ledger.
//
// # What the reconciler calls
//
// Track says which reports belong to a run. Reports returns the folded reports, and Drained reports whether all reports
// that the stream holds of a run have been folded. FoldedSoFar and MarkShown measure how long reports take to reach a
// status: the reconciler keeps the number that FoldedSoFar returned before it called Reports, writes the status, and
// passes the number to MarkShown.
package ingest
