// Package proc starts, recognises and ends processes. The rest of the local
// cluster leans on three promises made here: a process number that was handed
// to another program is never mistaken for ours (id.go), a child dies with the
// process that started it (parent.go), and everything that a cluster ever
// started can be found again and ended, even children of children that moved
// to another session (marker.go).
package proc
