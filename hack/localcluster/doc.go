// Localcluster is a Kubernetes cluster on one machine, without containers and
// without root: the real etcd, API server, controller manager and scheduler, a
// nats-server with accounts, and one node whose containers are local processes.
// It is what `make up`, `make demo` and the tests of the whole walk run on.
//
// One program, many processes: it executes itself as `component NAME`. The walk:
// up.go → supervisor (owns the processes) → controlplane, natsd, node → proc; what
// they all read lies in one directory, which package cluster describes.
package main
