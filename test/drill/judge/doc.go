// Package judge says of what was seen of one run what must not have happened. It is what a drill is for, so it knows the rules from the
// design alone and imports nothing of this module: events.go, reports.go, best.go and restore.go hold them by what they are about.
package judge
