package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first Ctrl-C ends what listens to ctx; a second one ends the program, whatever it waits for
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	code := run(ctx, newCluster(streams), os.Args)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code that exit.go documents.
func run(ctx context.Context, c *cluster, args []string) int {
	root, started := newRootCmd(c, args[0])
	root.SetArgs(args[1:])
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(ctx, err, *started)
	usage := ""
	if !*started {
		usage = "See: " + cmd.CommandPath() + " --help"
	}
	if text := explain(err, usage); text != "" && code != exitInterrupted {
		fmt.Fprintln(c.ErrOut, text)
	}
	return code
}
