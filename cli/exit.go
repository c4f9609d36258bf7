package main

import (
	"context"
	"errors"
)

// Exit codes. exitHelp tells users of them; scripts depend on them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitTimeout     = 3
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

const exitHelp = `Exit codes:
  0    done; for watch: the run succeeded; for promote: the version is published
  1    not done, and the message says why; for watch: the run failed or was deleted
  2    wrong flags or arguments
  3    the --timeout of promote or prune passed first; what it waited for goes on
  130  interrupted (Ctrl-C)`

// exitCode maps how a command ended. Cobra's own refusals come before started is set.
func exitCode(ctx context.Context, err error, started bool) int {
	var usage usageError
	var timeout timeoutError
	switch {
	case err == nil:
		return exitOK
	case !started, errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &timeout):
		return exitTimeout
	case ctx.Err() != nil:
		return exitInterrupted
	default:
		return exitFailed
	}
}
