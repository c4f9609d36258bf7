package promcheck

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const dashboardFile = "../../config/monitoring/dashboard.json"

// grafana holds the fields of Grafana's dashboard model in which a mistake shows only when somebody opens the
// dashboard.
type grafana struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
			Datasource source
		}
	}
	Panels []panel
}

type panel struct {
	ID         int
	Title      string
	Type       string
	Datasource source
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		RefID        string
		Expr         string
		LegendFormat string
		Datasource   source
	}
}

type source struct{ Type, UID string }

func dashboard(t *testing.T) grafana {
	t.Helper()
	b, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var g grafana
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	// Grafana fills in these variables before it queries Prometheus.
	fill := strings.NewReplacer("$__rate_interval", "5m", "$namespace", "ps")
	for _, p := range g.Panels {
		for i := range p.Targets {
			p.Targets[i].Expr = fill.Replace(p.Targets[i].Expr)
		}
	}
	return g
}

func TestDashboard(t *testing.T) {
	g := dashboard(t)
	if g.UID == "" || g.Title != "Plumbline" || g.SchemaVersion < 36 { // 36 made the data source an object
		t.Errorf("uid %q, title %q, schemaVersion %d", g.UID, g.Title, g.SchemaVersion)
	}
	variables := map[string]string{}
	for _, v := range g.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" || variables["namespace"] != "query" {
		t.Errorf("variables %v: want a datasource and a namespace to choose", variables)
	}
	prometheus := source{"prometheus", "${datasource}"}
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range g.Panels {
		knownType := p.Type == "stat" || p.Type == "timeseries"
		if ids[p.ID] || p.Title == "" || p.Datasource != prometheus || len(p.Targets) == 0 || !knownType {
			t.Errorf("panel %d %q: type %q, data source %v, %d targets",
				p.ID, p.Title, p.Type, p.Datasource, len(p.Targets))
		}
		ids[p.ID] = true
		refs := map[string]bool{}
		for _, target := range p.Targets {
			oneNamespace := strings.Contains(target.Expr, `namespace="ps"`)
			unfilled := strings.Contains(target.Expr, "$")
			if refs[target.RefID] || target.Datasource != prometheus || !oneNamespace || unfilled {
				t.Errorf("panel %q: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
		if p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is not within the grid's 24 columns", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}
