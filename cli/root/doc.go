// Package root is the command plumb itself: its help, the tree of verbs, and the execution of a command line.
package root
