// Package retry is `plumb retry`. It creates a run that resumes from the checkpoints of a run that has ended.
package retry
