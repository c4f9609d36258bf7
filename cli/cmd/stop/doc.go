// Package stop is `plumb stop`: it ends trials of a run for good.
package stop
