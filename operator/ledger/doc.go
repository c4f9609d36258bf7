// Package ledger sums up the reports of a run. In the walk it is between ingest, which reads the report stream and
// folds each report into the ledger of its run, and plan, which decides from the sum. The package is pure: reports go
// in, and the types in reports.go come out.
//
// To fold a report is to add it to the ledger: which reports have been read, the newest metrics of each epoch, the best
// checkpoint. Every field of a ledger is a set, or a maximum under a total order. That is why folding a report again
// changes nothing but the count of duplicates, and why the order of the reports changes nothing at all. So no ledger is
// ever stored: an operator that starts reads the stream again and builds the same ledgers.
//
// # Gaps
//
// A writer is one pod of one attempt. It numbers its reports from 1 without leaving out a number. A gap is a number
// below a writer's highest that has not been read: that report is late or lost. A late report closes its gap.
package ledger
