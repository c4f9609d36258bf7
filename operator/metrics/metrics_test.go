package metrics

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// Names and help texts follow Prometheus' conventions. No label may have as many values as there are runs.
func TestNamesAndHelp(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	if err := Register(r, func() Counts {
		return Counts{Runs: map[string]int{"Running": 1}, Trials: map[string]int{"Waiting": 5}, Missing: 2}
	}); err != nil {
		t.Fatal(err)
	}
	Reports.WithLabelValues("epoch", "turn") // Gather leaves out metrics without a series.
	Refused.WithLabelValues("malformed")
	Writes.WithLabelValues("create", "jobs", "201")
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	bounded := []string{"kind", "effect", "reason", "class", "phase", "verb", "resource", "code"}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "plumbline_") || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
		for _, l := range f.GetMetric()[0].GetLabel() {
			if !strings.Contains(strings.Join(bounded, " "), l.GetName()) {
				t.Errorf("%s has the label %s: how many values can it have?", f.GetName(), l.GetName())
			}
		}
	}
	if got := value(families, "plumbline_trials"); got != 5 {
		t.Errorf("plumbline_trials is %v", got)
	}
}

// value returns the value of a gauge's first series, or -1 if there is no such metric.
func value(families []*dto.MetricFamily, name string) float64 {
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func TestWritesAreCountedByResource(t *testing.T) {
	answer := func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/gone") {
			return nil, errors.New("connection refused")
		}
		return &http.Response{StatusCode: 201, Body: io.NopCloser(strings.NewReader(""))}, nil
	}
	before := written(t)
	for _, r := range []struct{ method, path string }{
		{"POST", "/apis/batch/v1/namespaces/lab/jobs"},
		{"DELETE", "/apis/batch/v1/namespaces/lab/jobs/sweep-d18-a1"},
		{"PUT", "/apis/plumbline.dev/v1alpha1/namespaces/lab/trainingruns/sweep/status"},
		{"PUT", "/apis/plumbline.dev/v1alpha1/namespaces/lab/trainingruns/sweep/status"},
		{"POST", "/api/v1/namespaces/lab/secrets"},
		{"POST", "/api/v1/namespaces"},
		{"PATCH", "/apis/events.k8s.io/v1/namespaces/lab/events/gone"},
		{"POST", "/healthz"},
		{"GET", "/api/v1/namespaces/lab/pods"},
	} {
		_, _ = CountWrites(transport(answer)).RoundTrip(&http.Request{Method: r.method, URL: &url.URL{Path: r.path}})
	}
	got := map[string]float64{}
	for labels, n := range written(t) {
		if n -= before[labels]; n > 0 {
			got[labels] = n
		}
	}
	want := map[string]float64{
		"201 jobs create":                1,
		"201 jobs delete":                1,
		"201 trainingruns/status update": 2,
		"201 secrets create":             1,
		"201 namespaces create":          1,
		"none events patch":              1,
		"201 other create":               1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// written returns the values of Writes by code, resource and verb.
func written(t *testing.T) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(Writes)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			l := m.GetLabel() // in the order of their names: code, resource, verb
			out[l[0].GetValue()+" "+l[1].GetValue()+" "+l[2].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return out
}
