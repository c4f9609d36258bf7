// Package failure distinguishes kinds of errors and turns an error into the message that the user reads: the error,
// then the next step.
package failure
