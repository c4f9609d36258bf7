// Package failpoint names the moments at which a drill may strike a process: before and after each write that something durable
// depends on. In the walk it is everywhere and nowhere: without the build tag drill its functions are empty, and the compiler removes
// them.
//
// A program built with -tags drill looks for files in DRILL_FAILPOINTS. The file status.after there has the next process that
// passes this point die by SIGKILL; the file is taken away first, so that one process dies, once. The file checkpoint.full makes
// writing a checkpoint fail as on a full disk for as long as it is there.
package failpoint
