// Package promote is `plumb promote`. It creates a ModelVersion, which the operator then publishes, and waits until the
// version is published.
package promote
