// Package promote is `plumb promote`: it creates the ModelVersion from which the operator publishes, and waits for
// that.
package promote
