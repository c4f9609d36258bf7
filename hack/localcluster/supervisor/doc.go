// Package supervisor is the one process that owns a cluster's components. `up`
// starts it and leaves; it stays as the parent of all. It starts and stops a
// component when asked and never by itself, so that a drill that kills one sees it
// stay away. When it ends, in whatever way, the components end with it.
package supervisor
