// Package judge decides, from the history of one run, which rules of the design were broken. It is the oracle of a
// drill, so it shares no code with the operator and the trainer: it imports nothing of this module. Each file holds the
// rules of one subject: reports.go, best.go, restore.go, events.go and progress.go.
package judge
