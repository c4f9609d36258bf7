// Package exitcode holds the exit codes of plumb, which scripts depend on, and what help says of them.
package exitcode
