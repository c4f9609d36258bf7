// Package wire holds everything that a pod and the operator must agree on: the settings of a trial, the reports that
// a trial sends, the manifest of a checkpoint and what is compared before a trial resumes from it, digests, the
// depths of a ResNet, exit codes, and the result in a pod's termination message. In the walk it is between plan, which
// fills a Trial, and trainer, which obeys it; and again between outbox, which sends a Report, and ingest, which folds
// it.
//
// It imports the standard library alone, so that neither side has to import the other's dependencies. Every document
// carries Version. A reader accepts its own major version with a minor version at most one apart, and refuses every
// other version with an error that says so. A document that is stored in a checkpoint may be of any older minor
// version.
package wire
