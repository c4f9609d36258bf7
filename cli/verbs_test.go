package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// named is one of testdata/runs under another name.
func named(t *testing.T, state, name string) *api.TrainingRun {
	r := readRun(t, state)
	r.Name, r.UID = name, types.UID("uid-"+name)
	return r
}

func TestVerbs(t *testing.T) {
	objects := func(t *testing.T) []client.Object {
		elsewhere := named(t, "running", "elsewhere")
		elsewhere.Namespace = "lab"
		v := modelVersion("eraser-v2", 2)
		v.Spec.Run.Name, v.Spec.Trial, v.Spec.Epoch, v.Spec.PromotedBy = "good", "d50", 8, "anna"
		v.Status = api.ModelVersionStatus{URI: "file:///models/eraser/2", Conditions: []metav1.Condition{{Type: api.ConditionPublished, Status: metav1.ConditionTrue}}}
		ten := modelVersion("eraser-v10", 10)
		return []client.Object{named(t, "finished", "good"), named(t, "failed", "bad"), named(t, "waiting", "new"), elsewhere, model("eraser", 10), model("unused", 0), v, ten}
	}
	tests := map[string]struct {
		args     string
		code     int
		out, err []string // what each holds, in that order
	}{
		"list":                                {args: "list", out: []string{"NAME", "bad", "Failed", "5/5", "good", "Succeeded", "d50", "0.9058", "38/40", "10m"}},
		"list of all namespaces":              {args: "list -A", out: []string{"NAMESPACE", "inspection", "lab", "elsewhere"}},
		"list of an empty namespace":          {args: "list -n nothing", err: []string{`There are no runs in namespace nothing. config/README.md ("The first run") starts one; all namespaces: plumb list -A`}},
		"list for scripts":                    {args: "list -o name", out: []string{"trainingrun.plumbline.dev/bad\n", "trainingrun.plumbline.dev/good\n"}},
		"list as yaml names each kind":        {args: "list -o yaml", out: []string{"kind: TrainingRun", "kind: TrainingRunList"}},
		"list in an unknown format":           {args: "list -o xml", code: 2, err: []string{`"xml" is not one of json, yaml, name`}},
		"best":                                {args: "best good", out: []string{"d50, epoch 8 of 8", "Runner-up", "validation (selected on)", "test (scored once)"}},
		"best of a run without one":           {args: "best bad", code: 1, err: []string{"ended without a best checkpoint: no trial has a committed checkpoint"}},
		"best of a run that has just begun":   {args: "best new", code: 1, err: []string{"has no checkpoint yet: it is Pending", "plumb watch new -n inspection"}},
		"best of a run that is not there":     {args: "best god", code: 1, err: []string{`run "god" does not exist`, "Its runs: bad, good, new"}},
		"best in an unknown format":           {args: "best nothing -o xml", code: 2, err: []string{`"xml" is not one of json, yaml`}},
		"best of nothing":                     {args: "best", code: 2, err: []string{"RUN is missing", "See: plumb best --help"}},
		"best of too much":                    {args: "best good bad", code: 2, err: []string{`"bad" is one argument too many`}},
		"models, versions in order":           {args: "models", out: []string{"MODEL", "eraser", "2", "yes", "good", "d50", "anna", "file:///models/eraser/2", "eraser", "10", "waiting", "unused"}},
		"one model":                           {args: "models eraser -o name", out: []string{"modelversion.plumbline.dev/eraser-v2\nmodelversion.plumbline.dev/eraser-v10\n"}},
		"a model that is not there":           {args: "models nothing", code: 1, err: []string{`model "nothing" does not exist in namespace inspection`}},
		"watch a run that has succeeded":      {args: "watch good", out: []string{"06:10:00 d18", "run   Succeeded"}, err: []string{"Next: plumb best good -n inspection"}},
		"watch a run that has failed":         {args: "watch bad", code: 1, out: []string{"labels.csv:212"}, err: []string{`run "bad" failed`, "plumb logs bad d18 -n inspection"}},
		"watch a run that is not there":       {args: "watch nothing", code: 1, err: []string{"does not exist in namespace inspection", "--wait"}},
		"logs of a trial without a pod":       {args: "logs new d50", code: 1, err: []string{"trial d50 has no pod yet: it is Waiting"}},
		"promote without saying to what":      {args: "promote good", code: 2, err: []string{"--model is missing"}},
		"a command that there is not":         {args: "wacth good", code: 2, err: []string{"unknown command", "watch"}},
		"a flag that there is not":            {args: "list --everything", code: 2, err: []string{"unknown flag: --everything", "See: plumb list --help"}},
		"help documents the exit codes":       {args: "watch --help", out: []string{"Exit codes:", "130", "Examples:"}},
		"options lists kubectl's flags":       {args: "options", out: []string{"--context", "--kubeconfig"}},
		"the client's version asks nobody":    {args: "version --client", out: []string{"wire 1."}},
		"the client's version for scripts":    {args: "version --client -o json", out: []string{`"plumb": {`, `"wire": "1.`}},
		"version is a flag too":               {args: "--version", out: []string{"plumb  ", "wire 1."}},
		"complete depths":                     {args: "__complete retry good --depths 18,1", out: []string{"18,34\n18,50\n18,101\n18,152\n"}},
		"complete channels":                   {args: "__complete dataset synth --channels ", out: []string{"AM\n", "GRAY\n"}},
		"complete a run":                      {args: "__complete watch ", out: []string{"bad\tFailed 5/5", "good\tSucceeded 5/5"}},
		"complete a trial":                    {args: "__complete logs good ", out: []string{"d18\tSucceeded 8/8", "d152\tFailed 6/8"}},
		"complete a model":                    {args: "__complete promote good --model ", out: []string{"eraser\tfile:///models", "unused"}},
		"complete the trial that is promoted": {args: "__complete promote good --trial ", out: []string{"d50\tSucceeded 8/8"}},
		"complete nothing after the last":     {args: "__complete best good ", out: []string{":4"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &program{objects: objects(t)}
			if code := p.run(t, strings.Split(tt.args, " ")...); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			inOrder(t, "stdout", p.out.String(), tt.out)
			inOrder(t, "stderr", p.err.String(), tt.err)
			if len(tt.out) == 0 && p.out.Len() > 0 {
				t.Errorf("stdout is not empty:\n%s", p.out.String())
			}
		})
	}
}

func inOrder(t *testing.T, what, text string, parts []string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		i := strings.Index(rest, part)
		if i < 0 {
			t.Errorf("%s lacks %q, or has it too early:\n%s", what, part, text)
			return
		}
		rest = rest[i+len(part):]
	}
}

func TestBestAsJSON(t *testing.T) {
	p := &program{objects: []client.Object{readRun(t, "finished")}}
	p.run(t, "best", "erasers", "-o", "json")
	var got struct {
		Run, Trial string
		Epoch      int
		Checkpoint api.CheckpointRef
		Test       api.Metrics
	}
	if err := json.Unmarshal(p.out.Bytes(), &got); err != nil {
		t.Fatalf("%v:\n%s", err, p.out.String())
	}
	want := readRun(t, "finished").Status
	if got.Run != "erasers" || got.Trial != "d50" || got.Epoch != 8 || got.Checkpoint != want.Best.Checkpoint || got.Test.AUCPR != "0.8600" {
		t.Errorf("got %+v", got)
	}
}

func TestWatchWaitsForTheRunAndItsEnd(t *testing.T) {
	// The fake server knows no resource versions: what happens between a list and its watch would be lost on it.
	watching := make(chan struct{}, 8)
	p := &program{funcs: interceptor.Funcs{Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
		w, err := c.Watch(ctx, list, opts...)
		watching <- struct{}{}
		return w, err
	}}}
	if _, err := p.dial(nil); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	c := newCluster(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: writer})
	c.dial = p.dial
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), c, strings.Split("plumb --server http://nowhere.invalid -n inspection watch erasers --wait", " "))
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
	p := &program{objects: []client.Object{readRun(t, "running")}}
	if code := p.runContext(t, ctx, "watch", "erasers"); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

func TestLogsAndVersionAskTheServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/namespaces/inspection/pods/erasers-d18-a1-x7k2p/log":
			fmt.Fprintf(w, "epoch 1\nfollow=%s\n", r.URL.Query().Get("follow"))
		case "/version":
			w.Header().Set("Content-Type", "application/json")
			encode(w, version.Info{Major: "1", Minor: "30+", GitVersion: "v1.30.2-gke"})
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			encode(w, status(404, metav1.StatusReasonNotFound))
		}
	}))
	defer server.Close()
	tests := map[string]struct {
		args     string
		code     int
		out, err []string
	}{
		"the log of a trial, as it is":              {args: "logs erasers d18 -f", out: []string{"epoch 1\nfollow=true\n"}},
		"the log of all trials, and which are gone": {args: "logs erasers", code: 1, out: []string{"d18   epoch 1\nd18   follow="}, err: []string{"of trial d", "is gone, and its log with it\nWhat became of the trial: plumb watch erasers -n inspection"}},
		"a server that is too old, for scripts":     {args: "version -o yaml", code: 1, out: []string{"gitVersion: v1.30.2-gke", "plumb:"}, err: []string{"too old"}},
		"a server that is too old":                  {args: "version", code: 1, out: []string{"kubernetes  v1.30.2-gke", "plumbline   not installed"}, err: []string{"too old: Plumbline needs 1.31 or newer"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &program{objects: []client.Object{readRun(t, "finished")}}
			if code := p.run(t, append([]string{"--server", server.URL}, strings.Split(tt.args, " ")...)...); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, p.err.String())
			}
			inOrder(t, "stdout", p.out.String(), tt.out)
			inOrder(t, "stderr", p.err.String(), tt.err)
		})
	}
}

func TestLogsOfARunWithoutPods(t *testing.T) {
	for state, want := range map[string]string{
		"waiting": "run \"erasers\" has no pods yet: it is Pending\nWhy: plumb watch erasers -n inspection\n",
		"failed":  "run \"erasers\" has no pods: it is Failed\nWhy: plumb watch erasers -n inspection\n",
	} {
		run := readRun(t, state)
		for i := range run.Status.Trials {
			run.Status.Trials[i].Pod = ""
		}
		p := &program{objects: []client.Object{run}}
		if code := p.run(t, "logs", "erasers"); code != exitFailed || p.err.String() != "error: "+want {
			t.Errorf("%s: exit code %d, said %q, want %q", state, code, p.err.String(), want)
		}
	}
}

func TestLowestKubernetesIsTheChartsToo(t *testing.T) {
	chart, err := os.ReadFile("../charts/plumbline/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("kubeVersion: \">=%d.%d.0-0\"", lowestMajor, lowestMinor); !strings.Contains(string(chart), want) {
		t.Errorf("charts/plumbline/Chart.yaml does not say %s", want)
	}
}

func TestNamedAsAKubectlPlugin(t *testing.T) {
	c := newCluster(genericiooptions.NewTestIOStreamsDiscard())
	root, _ := newRootCmd(c, "/usr/local/bin/kubectl-plumb")
	if want := "  kubectl plumb list  "; !strings.HasPrefix(root.Example, want) {
		t.Errorf("help's example is %q, want it to begin with %q", root.Example, want)
	}
	watch, _, err := root.Find([]string{"watch"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("kubectl plumb watch", watch.CommandPath()); diff != "" {
		t.Error(diff)
	}
}
