// Package list is `plumb list`: the runs of a namespace.
package list
