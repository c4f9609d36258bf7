package exitcode

import (
	"context"

	"plumbline.dev/plumbline/cli/failure"
)

// The exit codes of plumb. Help documents them for users.
const (
	OK          = 0
	Failed      = 1
	Usage       = 2
	Timeout     = 3
	Interrupted = 130 // 128 + SIGINT (2), as in shells
)

// Help is the part of a help text that documents the exit codes.
const Help = `Exit codes:
  0    the command succeeded; watch: the run succeeded; promote: the version is published
  1    the command failed, and the message says why; watch: the run failed or was deleted
  2    wrong flags or arguments
  3    timed out waiting (--timeout of promote and prune); the work continues in the cluster
  130  interrupted (Ctrl-C)`

// Of returns the exit code of a command that ended with err. started says whether the verb ran; an error before that is
// cobra's own and means wrong flags or arguments.
func Of(ctx context.Context, err error, started bool) int {
	switch {
	case err == nil:
		return OK
	case !started, failure.IsUsage(err):
		return Usage
	case failure.IsTimeout(err):
		return Timeout
	case ctx.Err() != nil:
		return Interrupted
	default:
		return Failed
	}
}
