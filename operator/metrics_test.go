package main

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"plumbline.dev/plumbline/operator/metrics"
)

var update = flag.Bool("update", false, "write testdata")

// testdata/metrics.txt lists the operator's metrics, those of controller-runtime included, with their help texts.
// hack/promcheck checks that alerts and dashboard use only metrics of this list.
func TestMetricsThatTheOperatorHas(t *testing.T) {
	if err := metrics.Register(ctrlmetrics.Registry, func() metrics.Counts { return metrics.Counts{} }); err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		ctrlmetrics.Registry.(*prometheus.Registry).Describe(descriptions)
		close(descriptions)
	}()
	name := regexp.MustCompile(
		`fqName: "((?:plumbline|controller_runtime|leader_election|workqueue|rest_client)_[^"]*)", help: "([^"]*)"`)
	var lines []string
	for d := range descriptions {
		if m := name.FindStringSubmatch(d.String()); m != nil {
			lines = append(lines, m[1]+"\t"+m[2]+"\n")
		}
	}
	slices.Sort(lines)
	got, file := strings.Join(slices.Compact(lines), ""), "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs: run go test ./operator -run %s -update, and see to docs/operations.md:\n%s",
			file, t.Name(), diff)
	}
}
