package watch

import (
	"context"
	"io"
	"testing"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/exitcode"
)

func TestWatchWaitsForTheRunAndItsEnd(t *testing.T) {
	// The fake server knows no resource versions: what happens between a list and its watch would be lost on it.
	watching := make(chan struct{}, 8)
	p := &clustertest.Program{
		Tree: clustertest.Verbs(NewCmdWatch),
		Funcs: interceptor.Funcs{
			Watch: func(
				ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption,
			) (watch.Interface, error) {
				w, err := c.Watch(ctx, list, opts...)
				watching <- struct{}{}
				return w, err
			},
		},
	}
	if _, err := p.Dial(nil); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	f := p.Factory()
	f.IO.Out, f.IO.ErrOut = io.Discard, writer
	args := clustertest.CommandLine(t, "watch", "erasers", "--wait")
	code := make(chan int, 1)
	go func() {
		code <- p.Tree(f).Execute(t.Context(), args)
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
		r := clustertest.ReadRun(t, state)
		var err error
		if old := (&api.TrainingRun{}); p.Client.Get(t.Context(), client.ObjectKeyFromObject(r), old) == nil {
			r.ResourceVersion = old.ResourceVersion
			err = p.Client.Update(t.Context(), r)
		} else {
			err = p.Client.Create(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := <-code; got != exitcode.Failed {
		t.Errorf("exit code %d, want %d", got, exitcode.Failed)
	}
}

func TestWatchIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &clustertest.Program{
		Tree:    clustertest.Verbs(NewCmdWatch),
		Objects: []client.Object{clustertest.ReadRun(t, "running")},
	}
	if code := p.RunContext(t, ctx, "watch", "erasers"); code != exitcode.Interrupted {
		t.Errorf("exit code %d, want %d", code, exitcode.Interrupted)
	}
}

func TestWatchAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"watch a run that has succeeded": {
			Args: "watch good",
			Out:  []string{"06:10:00 d18", "run   Succeeded"},
			Err:  []string{"Next: plumb best good -n inspection"},
		},
		"watch a run that has failed": {
			Args: "watch bad",
			Code: 1,
			Out:  []string{"labels.csv:212"},
			Err:  []string{`run "bad" failed`, "plumb logs bad d18 -n inspection"},
		},
		"watch a run that is not there": {
			Args: "watch nothing",
			Code: 1,
			Err:  []string{"does not exist in namespace inspection", "--wait"},
		},
		"help documents the exit codes": {Args: "watch --help", Out: []string{"Exit codes:", "130", "Examples:"}},
		"complete a run": {
			Args: "__complete watch ",
			Out:  []string{"bad\tFailed 5/5", "good\tSucceeded 5/5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdWatch), Objects: clustertest.Inspection(t)}
			want.Check(t, p)
		})
	}
}
