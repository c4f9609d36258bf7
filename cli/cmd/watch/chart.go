package watch

import (
	"strings"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/text"
)

// progress shows done of total in w cells, filled by parts of a cell where the glyphs have them.
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

// sparkline draws values between lo and hi in at most w cells; where there are more values than cells, a cell is the
// mean of its share.
func sparkline(g text.Glyphs, values []float64, lo, hi float64, w int) string {
	n := min(len(values), w)
	var b strings.Builder
	for i := range n {
		share := values[i*len(values)/n : (i+1)*len(values)/n]
		sum := 0.0
		for _, v := range share {
			sum += v
		}
		level := len(g.Curve) / 2 // all values equal
		if hi > lo {
			level = int((sum/float64(len(share)) - lo) / (hi - lo) * float64(len(g.Curve)))
		}
		b.WriteRune(g.Curve[min(max(level, 0), len(g.Curve)-1)])
	}
	return b.String()
}

// curve is a trial's AUC-PR by epoch. Points that are no numbers are left out.
func curve(t api.TrialStatus) []float64 {
	var values []float64
	for _, p := range t.Curve {
		if v, err := p.AUCPR.Float64(); err == nil {
			values = append(values, v)
		}
	}
	return values
}

// curveRange is the range of all trials' curves: drawn in one scale, depths can be compared by eye.
func curveRange(trials []api.TrialStatus) (lo, hi float64) {
	lo, hi = 1, 0
	for _, t := range trials {
		for _, v := range curve(t) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}
