package watch

import (
	"strings"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/text"
)

// progress returns a bar of w cells that shows done of total. Where the glyphs have parts of a cell, the last filled
// cell is filled in part.
func progress(g text.Glyphs, done, total, w int) string {
	parts := len(g.Bar) - 1
	filled := 0
	if total > 0 {
		filled = min(max(done, 0), total) * w * parts / total
	}
	var b strings.Builder
	for i := range w {
		b.WriteRune(g.Bar[min(max(filled-i*parts, 0), parts)])
	}
	return b.String()
}

// sparkline returns a curve of values between lo and hi in at most w cells. If there are more values than cells, each
// cell shows the mean of several.
func sparkline(g text.Glyphs, values []float64, lo, hi float64, w int) string {
	n := min(len(values), w)
	var b strings.Builder
	for i := range n {
		share := values[i*len(values)/n : (i+1)*len(values)/n]
		sum := 0.0
		for _, v := range share {
			sum += v
		}
		level := len(g.Curve) / 2 // all values are equal
		if hi > lo {
			level = int((sum/float64(len(share)) - lo) / (hi - lo) * float64(len(g.Curve)))
		}
		b.WriteRune(g.Curve[min(max(level, 0), len(g.Curve)-1)])
	}
	return b.String()
}

// curve returns a trial's AUC-PR by epoch. Points that are not numbers are left out.
func curve(t api.TrialStatus) []float64 {
	var values []float64
	for _, p := range t.Curve {
		if v, err := p.AUCPR.Float64(); err == nil {
			values = append(values, v)
		}
	}
	return values
}

// curveRange returns the lowest and highest point of all curves. All curves are drawn in this range, so that they can
// be compared.
func curveRange(trials []api.TrialStatus) (lo, hi float64) {
	lo, hi = 1, 0
	for _, t := range trials {
		for _, v := range curve(t) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}
