// Package follow watches one Kubernetes object by name, through lost connections, until it is deleted.
package follow
