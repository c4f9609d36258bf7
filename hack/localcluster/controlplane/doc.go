// Package controlplane runs Kubernetes' own programs as they are: etcd, API server,
// controller manager and scheduler, each with the flags that one machine needs. A
// component gets everything from the cluster's directory, so starting it again is
// the same as starting it.
package controlplane
