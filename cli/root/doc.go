// Package root is the command plumb itself: its help, the verbs below it, and how a command line is run.
package root
