package main

import (
	"context"
	"io"
	"testing"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

func TestWatchWaitsForTheRunAndItsEnd(t *testing.T) {
	// The fake server knows no resource versions: what happens between a list and its watch would be lost on it.
	watching := make(chan struct{}, 8)
	p := &program{tree: verbs(newCmdWatch), funcs: interceptor.Funcs{Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
		w, err := c.Watch(ctx, list, opts...)
		watching <- struct{}{}
		return w, err
	}}}
	if _, err := p.dial(nil); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	f := p.factory()
	f.io.Out, f.io.ErrOut = io.Discard, writer
	args := commandLine(t, "watch", "erasers", "--wait")
	code := make(chan int, 1)
	go func() {
		code <- p.tree(f).execute(t.Context(), args)
		writer.Close()
	}()
	buffer := make([]byte, 200)
	n, _ := reader.Read(buffer)
	if got := string(buffer[:n]); got != "waiting for run erasers to be created\n" {
		t.Errorf("said %q", got)
	}
	go io.Copy(io.Discard, reader)
	<-watching
	for _, state := range []string{"running", "failed"} {
		r := readRun(t, state)
		var err error
		if old := (&api.TrainingRun{}); p.client.Get(t.Context(), client.ObjectKeyFromObject(r), old) == nil {
			r.ResourceVersion = old.ResourceVersion
			err = p.client.Update(t.Context(), r)
		} else {
			err = p.client.Create(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := <-code; got != exitFailed {
		t.Errorf("exit code %d, want %d", got, exitFailed)
	}
}

func TestWatchIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &program{tree: verbs(newCmdWatch), objects: []client.Object{readRun(t, "running")}}
	if code := p.runContext(t, ctx, "watch", "erasers"); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

func TestWatchAnswers(t *testing.T) {
	for name, want := range map[string]answer{
		"watch a run that has succeeded": {args: "watch good", out: []string{"06:10:00 d18", "run   Succeeded"}, err: []string{"Next: plumb best good -n inspection"}},
		"watch a run that has failed":    {args: "watch bad", code: 1, out: []string{"labels.csv:212"}, err: []string{`run "bad" failed`, "plumb logs bad d18 -n inspection"}},
		"watch a run that is not there":  {args: "watch nothing", code: 1, err: []string{"does not exist in namespace inspection", "--wait"}},
		"help documents the exit codes":  {args: "watch --help", out: []string{"Exit codes:", "130", "Examples:"}},
		"complete a run":                 {args: "__complete watch ", out: []string{"bad\tFailed 5/5", "good\tSucceeded 5/5"}},
	} {
		t.Run(name, func(t *testing.T) {
			want.check(t, &program{tree: verbs(newCmdWatch), objects: inspection(t)})
		})
	}
}
