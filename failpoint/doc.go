// Package failpoint names the moments at which a drill kills a process: before and after each write that something durable depends
// on. In the walk it is everywhere and nowhere: without the build tag drill, Here is an empty function that the compiler removes.
//
// A program built with -tags drill reads two variables:
//
//	PLUMBLINE_FAILPOINTS=checkpoint.rename.before=3,status.after=1   kill at the third and at the first passing
//	PLUMBLINE_FAILPOINTS_DIR=/some/directory                         where passings are counted, one file a point
//
// Passings are counted over all processes that share the directory, so that a kill happens once and not again after each restart, and
// a drill can be replayed. With the directory alone nothing is killed: the files' sizes tell which points were passed, and how often.
//
// GOFLAGS=-tags=drill hack/build.sh DIRECTORY builds the programs so.
package failpoint
