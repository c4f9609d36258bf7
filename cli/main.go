package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends what listens to ctx; a second one ends the program, whatever it waits for.
	context.AfterFunc(ctx, stop)
	code := plumbTree(newFactory(systemStreams()), os.Args[0]).execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// plumbTree returns the whole command tree of the program that was called as arg0.
func plumbTree(f *factory, arg0 string) *plumb {
	p := newPlumb(f, ownVersion().String(),
		newCmdList(f, nil), newCmdWatch(f, nil), newCmdBest(f, nil), newCmdLogs(f, nil),
		newCmdSuspend(f, nil), newCmdResume(f, nil), newCmdStop(f, nil), newCmdRetry(f, nil),
		newCmdPromote(f, nil), newCmdModels(f, nil), newCmdPrune(f, nil),
		newCmdDataset(f),
		newCmdVersion(f, nil),
	)
	if name := filepath.Base(arg0); strings.HasPrefix(name, "kubectl-") {
		p.actAsPlugin(strings.ReplaceAll(name, "-", " "))
	}
	return p
}
