// Package supervisor is the process that owns a cluster's components, as their parent.
// `up` starts the supervisor and returns; the supervisor keeps running. It starts and
// stops a component when a command asks for that.
//
// A component that somebody kills stays dead, so that a drill can watch the cluster
// without it. Some of Kubernetes' programs exit when they have had no API server for
// long; they expect to be started again, and the supervisor does so.
//
// When the supervisor ends, even by SIGKILL, the components end with it.
package supervisor
