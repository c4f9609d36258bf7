package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"plumbline.dev/plumbline/cli/cmd/best"
	"plumbline.dev/plumbline/cli/cmd/dataset"
	"plumbline.dev/plumbline/cli/cmd/list"
	"plumbline.dev/plumbline/cli/cmd/logs"
	"plumbline.dev/plumbline/cli/cmd/models"
	"plumbline.dev/plumbline/cli/cmd/promote"
	"plumbline.dev/plumbline/cli/cmd/prune"
	"plumbline.dev/plumbline/cli/cmd/retry"
	"plumbline.dev/plumbline/cli/cmd/stop"
	"plumbline.dev/plumbline/cli/cmd/suspend"
	"plumbline.dev/plumbline/cli/cmd/version"
	"plumbline.dev/plumbline/cli/cmd/watch"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/root"
)

func main() {
	ctx, unlisten := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends what listens to ctx; a second one ends the program, whatever it waits for.
	context.AfterFunc(ctx, unlisten)
	code := plumbTree(factory.New(iostreams.System()), os.Args[0]).Execute(ctx, os.Args[1:])
	unlisten()
	os.Exit(code)
}

// plumbTree returns the whole command tree of the program that was called as arg0.
func plumbTree(f *factory.Factory, arg0 string) *root.Plumb {
	p := root.New(f, version.Own().String(),
		list.NewCmdList(f, nil), watch.NewCmdWatch(f, nil), best.NewCmdBest(f, nil), logs.NewCmdLogs(f, nil),
		suspend.NewCmdSuspend(f, nil), suspend.NewCmdResume(f, nil), stop.NewCmdStop(f, nil), retry.NewCmdRetry(f, nil),
		promote.NewCmdPromote(f, nil), models.NewCmdModels(f, nil), prune.NewCmdPrune(f, nil),
		dataset.NewCmdDataset(f),
		version.NewCmdVersion(f, nil),
	)
	if name := filepath.Base(arg0); strings.HasPrefix(name, "kubectl-") {
		p.ActAsPlugin(strings.ReplaceAll(name, "-", " "))
	}
	return p
}
