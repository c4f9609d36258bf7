// Package follow watches one Kubernetes object by name until it is deleted, and reconnects when the connection is lost.
package follow
