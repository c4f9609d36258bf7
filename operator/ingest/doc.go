// Package ingest reads the report stream and folds the reports into one ledger per run. In the walk it stands between
// wire/report.go, which says what a trial reports, and controller/observe.go, which passes the folded reports to the
// plan.
//
// # Reading
//
// Only the leader reads. It has one ordered consumer, which starts at the oldest sequence that the status of an active
// run names. The consumer acknowledges nothing, so a restart loses nothing, and a bad report does not hold up the
// reports behind it. consumer.go reads, stream.go connects, and belongs.go refuses reports that are malformed or do not
// belong to their run.
//
// # The ledger
//
// A Ledger sums up the reports of one run in memory: which reports have been read, the newest metrics of each epoch,
// the best checkpoint. To fold a report is to add it to the ledger. Every field of a ledger is a set, or a maximum
// under a total order. That is why folding a report again changes nothing but the count of duplicates, and why the
// order of the reports changes nothing at all. So no ledger is ever stored: an operator that starts reads the stream
// again and builds the same ledgers.
//
// # Gaps
//
// A writer is one pod of one attempt. It numbers its reports from 1 without leaving out a number. A gap is a number
// below a writer's highest that has not been read: that report is late or lost. A late report closes its gap.
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
