// Localcluster runs a Kubernetes cluster on one machine, without containers and
// without root: the real etcd, API server, controller manager and scheduler, a
// nats-server with accounts, and one node whose containers are local processes.
// `make up`, `make demo` and the tests of the whole walk use it.
//
// All processes run the same program, which executes itself as `component NAME`.
// Read it in this order: up.go → supervisor (owns the processes) → controlplane,
// natsd, node → proc. All of them read one directory, which package cluster
// describes.
package main
