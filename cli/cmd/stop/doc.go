// Package stop is `plumb stop`. It ends trials of a run for good.
package stop
