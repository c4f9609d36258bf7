// Package exitcode holds the exit codes of plumb and the help text that documents them. Scripts depend on the codes.
package exitcode
