// Package wire is what a pod and the operator must agree on: the settings that a trial is given, the reports that it
// sends, the manifest of a checkpoint and what is compared before a trial resumes from it, digests, the depths of a
// ResNet, exit codes, and a pod's last word. In the walk it stands between plan, which fills a Trial, and trainer,
// which obeys it; and again between outbox, which sends a Report, and ingest, which folds it.
//
// It imports the standard library alone, so that neither side drags in the other's world. Every document carries
// Version; a reader accepts its own major version with a minor version at most one apart, and refuses anything else in
// words.
package wire
