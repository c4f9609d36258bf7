// Package watch is `plumb watch`, which follows a run until it ends. On a terminal it redraws a view in place
// (view.go); to a pipe or a file it prints a line for each change (changes.go).
package watch
