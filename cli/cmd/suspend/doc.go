// Package suspend is `plumb suspend` and `plumb resume`: both set spec.suspend of a run.
package suspend
