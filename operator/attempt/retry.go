package attempt

import (
	"fmt"
	"time"
)

// DefaultMaxRetries is failurePolicy.maxRetries of a run that does not set it, and holds for publishing.
const DefaultMaxRetries = 3

// The wait before a retry doubles from the first to the second bound: long enough for a node to recover, short beside
// an epoch.
const (
	minBackoff = 2 * time.Second
	maxBackoff = 2 * time.Minute
)

// Backoff returns the wait before a retry, which is counted from 1.
func Backoff(retry int32) time.Duration {
	d := minBackoff
	for ; retry > 1 && d < maxBackoff; retry-- {
		d *= 2
	}
	return min(d, maxBackoff)
}

// AfterRetries says in words after how many retries an attempt was the last.
func AfterRetries(retries int32) string {
	switch retries {
	case 0:
		return "without retries"
	case 1:
		return "after 1 retry"
	default:
		return fmt.Sprintf("after %d retries", retries)
	}
}
