// Package failpoint names the points at which a drill may kill a process: before and after each write on which
// something durable depends. The operator and the trainer call it. Without the build tag drill its functions are
// empty, and the compiler removes the calls.
//
// A program built with -tags drill looks for files in the directory DRILL_FAILPOINTS. If that directory holds the
// file status.after, the next process that passes the point status.after dies by SIGKILL. The process deletes the
// file first, so that the file kills one process, once. While the directory holds the file checkpoint.full,
// writing a checkpoint fails as on a full disk.
package failpoint
