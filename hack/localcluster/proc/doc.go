// Package proc starts, recognises and ends processes. The rest of the local cluster
// relies on three guarantees of this package:
//
//   - A process number that the kernel has given to another program is never mistaken
//     for the process that had it before (id.go).
//   - A child dies with the process that started it (parent.go).
//   - Everything that a cluster ever started can be found and ended, even children of
//     children that moved to another session (marker.go).
package proc
