// Package runstate reads the status of a run and puts it in words. The status is the operator's, but everything here
// bears one that is empty, half-filled or odd.
package runstate
