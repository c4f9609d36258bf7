// Package runstate reads the status of a run and describes it in words. The operator writes the status, but every
// function here also accepts a status that is empty, incomplete or invalid.
package runstate
