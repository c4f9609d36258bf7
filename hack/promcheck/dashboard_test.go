package promcheck

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const dashboardFile = "../../config/monitoring/dashboard.json"

// grafana is as much of Grafana's dashboard model as can be got wrong without anybody noticing before it is opened.
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
	// What Grafana fills in before it asks.
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
		t.Errorf("variables %v: a data source and a namespace are to be chosen", variables)
	}
	prometheus := source{"prometheus", "${datasource}"}
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range g.Panels {
		if ids[p.ID] || p.Title == "" || p.Datasource != prometheus || len(p.Targets) == 0 || (p.Type != "stat" && p.Type != "timeseries") {
			t.Errorf("panel %d %q: type %q, data source %v, %d targets", p.ID, p.Title, p.Type, p.Datasource, len(p.Targets))
		}
		ids[p.ID] = true
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || target.Datasource != prometheus || !strings.Contains(target.Expr, `namespace="ps"`) || strings.Contains(target.Expr, "$") {
				t.Errorf("panel %q: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
		if p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is outside of the grid's 24 columns", p.Title)
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
