package watch

import (
	"testing"

	"plumbline.dev/plumbline/cli/text"
)

func TestSparkline(t *testing.T) {
	g := text.Unicode
	tests := map[string]struct {
		values []float64
		w      int
		want   string
	}{
		"a cell per point":                        {[]float64{0, 0.5, 1}, 9, "▁▅█"},
		"more points than cells are averaged":     {[]float64{0, 0, 1, 1}, 2, "▁█"},
		"no points, no cells":                     {nil, 9, ""},
		"points outside the range stay inside it": {[]float64{-3, 7}, 2, "▁█"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sparkline(g, tt.values, 0, 1, tt.w); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := sparkline(g, []float64{0.5, 0.5}, 0.5, 0.5, 4); got != "▅▅" {
		t.Errorf("a flat curve is %q", got)
	}
}
