// Package watch is `plumb watch`: it follows a run until it ends. On a terminal it draws a view again and again
// (view.go); elsewhere it prints a line per change (changes.go).
package watch
