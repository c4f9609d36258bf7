package attempt

import (
	"fmt"
	"time"
)

// DefaultMaxRetries is the default of failurePolicy.maxRetries. Publishing Jobs always use it.
const DefaultMaxRetries = 3

// The wait before a retry doubles from minBackoff up to maxBackoff. That is long enough for a node to recover, and
// short compared with an epoch.
const (
	minBackoff = 2 * time.Second
	maxBackoff = 2 * time.Minute
)

// Backoff returns the wait before a retry. Retries are counted from 1.
func Backoff(retry int32) time.Duration {
	d := minBackoff
	for ; retry > 1 && d < maxBackoff; retry-- {
		d *= 2
	}
	return min(d, maxBackoff)
}

// RetryMessage returns the message of a trial or version whose attempt with this number ended and will be retried.
func (e Ending) RetryMessage(number int32) string {
	return fmt.Sprintf("attempt %d ended and will be retried: %s", number, e.Sentence)
}
