package exitcode

import (
	"context"

	"plumbline.dev/plumbline/cli/failure"
)

// Exit codes. Help tells users of them; scripts depend on them.
const (
	OK          = 0
	Failed      = 1
	Usage       = 2
	Timeout     = 3
	Interrupted = 130 // 128 + SIGINT, as shells have it
)

// Help is the part of a help text that documents the exit codes.
const Help = `Exit codes:
  0    done; for watch: the run succeeded; for promote: the version is published
  1    not done, and the message says why; for watch: the run failed or was deleted
  2    wrong flags or arguments
  3    the --timeout of promote or prune passed first; what it waited for goes on
  130  interrupted (Ctrl-C)`

// Of returns the exit code of a command that ended with err. Cobra's own refusals come before started is set.
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
