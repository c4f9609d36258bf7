package promcheck

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

const alertsFile = "../../config/monitoring/alerts.yaml"

var promQL = parser.NewParser(parser.Options{})

// calm holds the series of an installation in which nothing is wrong: two replicas, of which "a" leads. The series last
// for three hours, with a sample a minute.
const calm = `load 1m
  leader_election_master_status{name="plumbline-operator",namespace="ps",pod="a"} 1x180
  leader_election_master_status{name="plumbline-operator",namespace="ps",pod="b"} 0x180
  plumbline_stream_connected{namespace="ps",pod="a"} 1x180
  plumbline_stream_connected{namespace="ps",pod="b"} 0x180
  plumbline_stream_lag_messages{namespace="ps",pod="a"} 0+10x10 90-10x9 0x160
  plumbline_stream_lag_messages{namespace="ps",pod="b"} 0x180
  plumbline_stream_bytes{namespace="ps",pod="a"} 1999000000x180
  plumbline_stream_limit_bytes{namespace="ps",pod="a"} 2000000000x180
  plumbline_stream_messages{namespace="ps",pod="a"} 100000x180
  plumbline_stream_spare_messages{namespace="ps",pod="a"} 80000x180
  plumbline_stream_bytes{namespace="ps",pod="b"} 0x180
  plumbline_stream_limit_bytes{namespace="ps",pod="b"} 0x180
  plumbline_stream_messages{namespace="ps",pod="b"} 0x180
  plumbline_stream_spare_messages{namespace="ps",pod="b"} 0x180
  plumbline_reports_missing{namespace="ps",pod="a"} 0x30 2x2 0x148
  plumbline_reports_refused_total{namespace="ps",pod="a",reason="run"} 0+3x180
  plumbline_reports_refused_total{namespace="ps",pod="a",reason="malformed"} 4x180
  plumbline_trial_retries_total{namespace="ps",pod="a",class="Interrupted"} 0x60 1x60 3x60
  plumbline_training_runs_ended_total{namespace="ps",pod="a",phase="Succeeded"} 0x60 5x120
  plumbline_training_runs_ended_total{namespace="ps",pod="a",phase="Failed"} 0x180
  plumbline_credential_errors_total{namespace="ps",pod="a"} 0x180
  controller_runtime_reconcile_errors_total{namespace="ps",pod="a",controller="trainingrun"} 0x60 2x120
  controller_runtime_reconcile_errors_total{namespace="other",pod="x",controller="workload"} 0+9x180
`

// Each alert fires for its own cause and for no other.
func TestAlerts(t *testing.T) {
	const (
		leads         = `leader_election_master_status{name="plumbline-operator",namespace="ps",pod="a"} `
		refusedReport = `plumbline_reports_refused_total{namespace="ps",pod="a",reason="version"} `
		outOfMemory   = `plumbline_trial_retries_total{namespace="ps",pod="a",class="OutOfMemory"} `
		runsFailed    = `plumbline_training_runs_ended_total{namespace="ps",pod="a",phase="Failed"} `
		reconcileErrs = `controller_runtime_reconcile_errors_total{namespace="ps",pod="a",controller="trainingrun"} `

		noLeader = "PlumblineNoLeader: No replica of the operator leads, or Prometheus scrapes none. Trials " +
			"continue to train, but until a replica leads nothing is started, retried or finished."
	)
	for name, tc := range map[string]struct {
		series string        // differs from calm; "" for calm itself
		at     time.Duration // 0 for an hour
		want   []string
	}{
		"nothing is wrong": {
			at: 3 * time.Hour,
		},
		"a stream that is full of old runs is no harm": {
			at: 2 * time.Hour,
		},
		"nobody leads": {
			series: leads + "1x10 0x170",
			want:   []string{noLeader},
		},
		"a takeover is no alert": {
			series: leads + "1x57 0x3 1x120",
		},
		"no operator is scraped": {
			series: "leader_election_master_status",
			want:   []string{noLeader},
		},
		"NATS is away": {
			series: `plumbline_stream_connected{namespace="ps",pod="a"} 1x50 0x130`,
			want: []string{"PlumblineStreamNotRead: The operator in namespace ps cannot read reports. Trials " +
				"continue to train and report later, but no run ends until the stream is read. The condition " +
				"MetricsHealthy of any active run says why; for a run that has not begun, the condition Admitted " +
				"does."},
		},
		"reports arrive faster than they are read": {
			series: `plumbline_stream_lag_messages{namespace="ps",pod="a"} 0+20x180`,
			want: []string{"PlumblineStreamLagGrows: For ten minutes at least 1020 reports have been waiting to be " +
				"read, and their number does not fall."},
		},
		"a takeover reads everything again": {
			series: `plumbline_stream_lag_messages{namespace="ps",pod="a"} 9000-100x89 0x91`,
		},
		"active runs have filled the stream": {
			series: `plumbline_stream_spare_messages{namespace="ps",pod="a"} 80000x30 500x150`,
			want: []string{"PlumblineStreamNearLimit: The stream is 99.95% full, and less than a tenth of its " +
				"messages are older than the active runs. When these are dropped, reports of active runs follow."},
		},
		"reports are missing": {
			series: `plumbline_reports_missing{namespace="ps",pod="a"} 0x50 2x130`,
			want: []string{"PlumblineReportsMissing: 2 reports of active runs did not arrive, although later reports " +
				"did. The condition MetricsHealthy of these runs names the trials."},
		},
		"reports are refused": {
			series: refusedReport + "0x55 1x125",
			want: []string{`PlumblineReportsRefused: Reports were refused for the reason "version", and no status ` +
				`shows them. Either a trainer has another version than the operator, or a pod sends reports that are ` +
				`malformed or not its own.`},
		},
		"memory is too small for a sweep": {
			series: outOfMemory + "0x30 1x5 4x5 13x140",
			want: []string{"PlumblineManyRetries: 13 attempts that ended with the class OutOfMemory were retried " +
				"within an hour."},
		},
		"a run fails": {
			series: runsFailed + "0x55 1x125",
			want: []string{"PlumblineRunFailed: `kubectl get trainingruns -A` shows which runs have failed. The " +
				"condition Failed of a run says why."},
		},
		"Secrets cannot be created": {
			series: `plumbline_credential_errors_total{namespace="ps",pod="a"} 0x55 1+1x125`,
			want: []string{"PlumblineCredentialErrors: The operator cannot create the Secret with the NATS " +
				"credential of a run. No attempt of that run is started until it can."},
		},
		"the API server refuses status": {
			series: reconcileErrs + "0+2x180",
			want: []string{"PlumblineReconcileErrors: The controller trainingrun of the operator had 30 errors in 15 " +
				"minutes. The operator's log says which."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := tc.at
			if at == 0 {
				at = time.Hour
			}
			if diff := cmp.Diff(tc.want, firing(t, seriesWith(tc.series), at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// seriesWith returns calm with this series in the place of the one that has the same labels. A name without values
// removes all series of that metric.
func seriesWith(different string) string {
	name, values, _ := strings.Cut(different, " ")
	lines := strings.Split(strings.TrimSpace(calm), "\n")
	if different != "" {
		lines = slices.DeleteFunc(lines, func(line string) bool {
			return strings.HasPrefix(strings.TrimSpace(line), name)
		})
	}
	if values != "" {
		lines = append(lines, "  "+different)
	}
	return strings.Join(lines, "\n") + "\n"
}

// firing evaluates every rule once a minute from minute 0 until at, as Prometheus does, and returns the alerts that
// fire at the end.
func firing(t *testing.T, series string, at time.Duration) (out []string) {
	t.Helper()
	silent := slog.New(slog.DiscardHandler)
	storage := promqltest.LoadedStorage(t, series)
	query := rules.EngineQueryFunc(promqltest.NewTestEngine(t, false, 5*time.Minute, 1e6), storage)
	for _, r := range alerts(t) {
		expr, err := promQL.ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		rule := rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), 0,
			labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, silent)
		for now := time.Duration(0); now <= at; now += time.Minute {
			if _, err := rule.Eval(context.Background(), 0, time.Unix(0, 0).Add(now), query, nil, 0); err != nil {
				t.Fatalf("%s: %v", r.Alert, err)
			}
		}
		for _, a := range rule.ActiveAlerts() {
			if a.State == rules.StateFiring {
				out = append(out, fmt.Sprintf("%s: %s", r.Alert, a.Annotations.Get("description")))
			}
		}
	}
	return out
}

// alerts returns the rules of alertsFile.
func alerts(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.ParseFile(alertsFile, false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Fatal(err)
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rules", alertsFile)
	}
	return all
}

// docs/operations.md has a heading with the alert's name, for the person whom the alert wakes.
func TestEveryAlertHasARunbook(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := regexp.MustCompile(`(?m)^### (Plumbline\w+)$`).FindAllStringSubmatch(string(page), -1)
	var explained, want []string
	for _, h := range headings {
		explained = append(explained, h[1])
	}
	for _, r := range alerts(t) {
		want = append(want, r.Alert)
		severity, summary := r.Labels["severity"], r.Annotations["summary"]
		if !slices.Contains([]string{"critical", "warning", "info"}, severity) || summary == "" {
			t.Errorf("%s: severity %q, summary %q", r.Alert, severity, summary)
		}
	}
	if diff := cmp.Diff(want, explained); diff != "" {
		t.Errorf("the headings of docs/operations.md are not the alerts (-alerts +headings):\n%s", diff)
	}
}
