// Package cost counts what the pods of a run have cost, those that still run included.
package cost
