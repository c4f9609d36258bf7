// Package cost adds up the time that the pods of a run have taken, including pods that still run.
package cost
