// Package failure tells kinds of errors apart and turns an error into what a person reads: the error, then the next
// step.
package failure
