package promcheck

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// An alert on a metric that does not exist never fires, and a panel on such a metric stays empty. Without this test
// nobody would notice.
func TestEveryMetricExists(t *testing.T) {
	exists := known(t)
	used := map[string]bool{}
	for _, r := range alerts(t) {
		for _, name := range metricsIn(t, r.Alert, r.Expr) {
			used[name] = true
			if !exists[name] {
				t.Errorf("alert %s selects %s, which the operator does not have", r.Alert, name)
			}
		}
	}
	for _, p := range dashboard(t).Panels {
		for _, target := range p.Targets {
			for _, name := range metricsIn(t, p.Title, target.Expr) {
				used[name] = true
				if !exists[name] {
					t.Errorf("panel %q selects %s, which the operator does not have", p.Title, name)
				}
			}
		}
	}
	for name := range exists { // a metric that nothing shows is not worth counting
		if strings.HasPrefix(name, "plumbline_") && !used[name] {
			t.Errorf("%s is in no alert and in no panel", name)
		}
	}
}

// docs/operations.md explains all of Plumbline's own metrics, and no other.
func TestEveryMetricIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(plumbline_\\w+)`").FindAllStringSubmatch(string(page), -1) {
		explained = append(explained, m[1])
	}
	for name := range known(t) {
		if strings.HasPrefix(name, "plumbline_") && !slices.Contains(explained, name) {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
	}
	for _, name := range explained {
		if !known(t)[name] {
			t.Errorf("docs/operations.md explains %s, which does not exist", name)
		}
	}
}

// known returns the metrics that operator/metrics_test.go found in the operator's registry and wrote to testdata.
func known(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("../../operator/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, "\t")
		out[name] = true
	}
	return out
}

// metricsIn returns the metrics that an expression selects. A histogram is listed by its own name, without "_bucket".
func metricsIn(t *testing.T, where, expr string) (names []string) {
	t.Helper()
	tree, err := promQL.ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			for _, m := range s.LabelMatchers {
				if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
					names = append(names, strings.TrimSuffix(m.Value, "_bucket"))
				}
			}
		}
		return nil
	})
	if len(names) == 0 {
		t.Fatalf("%s: %s selects no metric by name", where, expr)
	}
	return names
}
