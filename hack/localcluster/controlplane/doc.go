// Package controlplane runs Kubernetes' own programs, unchanged: etcd, API server,
// controller manager and scheduler, each with the flags that one machine needs. A
// component reads all its settings from the cluster's directory, so the second start of
// a component is the same as the first.
package controlplane
