package logs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/exitcode"
)

func TestLogsAreReadFromTheServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/namespaces/inspection/pods/erasers-d18-a1-x7k2p/log":
			fmt.Fprintf(w, "epoch 1\nfollow=%s\n", r.URL.Query().Get("follow"))
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			clustertest.WriteJSON(w, clustertest.Status(404, metav1.StatusReasonNotFound))
		}
	}))
	defer server.Close()
	tests := map[string]struct {
		args     string
		code     int
		out, err []string
	}{
		"the log of a trial is printed unchanged": {
			args: "logs erasers d18 -f",
			out:  []string{"epoch 1\nfollow=true\n"},
		},
		"the logs of all trials are printed, and a deleted pod is an error": {
			args: "logs erasers",
			code: 1,
			out:  []string{"d18   epoch 1\nd18   follow="},
			err: []string{
				"of trial d",
				"has no log: it was deleted, or its container has not started\n" +
					"To see what became of the trial: plumb watch erasers -n inspection",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{
				Tree:    clustertest.Verbs(NewCmdLogs),
				Objects: []client.Object{clustertest.ReadRun(t, "finished")},
			}
			args := append([]string{"--server", server.URL}, strings.Split(tt.args, " ")...)
			if code := p.Run(t, args...); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, p.Err.String())
			}
			clustertest.InOrder(t, "stdout", p.Out.String(), tt.out)
			clustertest.InOrder(t, "stderr", p.Err.String(), tt.err)
		})
	}
}

func TestLogsOfARunWithoutPods(t *testing.T) {
	for state, want := range map[string]string{
		"waiting": "run \"erasers\" has no pods yet: it is Pending\nTo see why: plumb watch erasers -n inspection\n",
		"failed":  "run \"erasers\" has no pods: it is Failed\nTo see why: plumb watch erasers -n inspection\n",
	} {
		run := clustertest.ReadRun(t, state)
		for i := range run.Status.Trials {
			run.Status.Trials[i].Pod = ""
		}
		p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdLogs), Objects: []client.Object{run}}
		if code := p.Run(t, "logs", "erasers"); code != exitcode.Failed || p.Err.String() != "error: "+want {
			t.Errorf("%s: exit code %d, said %q, want %q", state, code, p.Err.String(), want)
		}
	}
}

func TestLogsAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"logs of a trial without a pod": {
			Args: "logs new d50",
			Code: 1,
			Err:  []string{"trial d50 has no pod yet: it is Waiting"},
		},
		"completion proposes trials": {
			Args: "__complete logs good ",
			Out:  []string{"d18\tSucceeded 8/8", "d152\tFailed 6/8"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want.Check(t, &clustertest.Program{Tree: clustertest.Verbs(NewCmdLogs), Objects: clustertest.Inspection(t)})
		})
	}
}
