// Package supervisor is the one process that owns a cluster's components. `up`
// starts it and leaves; it stays as the parent of all. It starts and stops a
// component when asked. One that was killed stays away, so that a drill sees it
// gone; Kubernetes' programs that end themselves for want of an API server are
// started again, as they expect. When the supervisor ends, in whatever way, the
// components end with it.
package supervisor
