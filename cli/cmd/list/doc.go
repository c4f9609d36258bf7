// Package list is `plumb list`, which lists the runs of a namespace.
package list
