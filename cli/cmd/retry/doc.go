// Package retry is `plumb retry`: another run from an ended run's checkpoints.
package retry
