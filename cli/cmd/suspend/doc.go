// Package suspend is `plumb suspend` and `plumb resume`. Both set spec.suspend of a run.
package suspend
