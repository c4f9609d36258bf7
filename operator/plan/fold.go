package plan

import (
	"maps"
	"math"
	"slices"
	"strconv"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// maxCurve is how many points of a learning curve status keeps; the CRD has the same bound.
const maxCurve = 128

// foldReports updates a trial's status from its reports. While an operator that has just started still reads the
// stream, it knows only a part of the reports, and status does not change. If the stream has lost reports of the run,
// status may know more than the stream, and then no value in status is set back.
func (p *planner) foldReports(t *api.TrialStatus) {
	p.best[t.Name] = rememberedBest(t)
	if !p.Stream.Current {
		return
	}
	r := p.Reports.Trials[t.Name]
	whole := p.Reports.Whole && p.next.Stream.ID == p.Stream.ID && r.Folded >= t.ReportsSeen
	if whole || int32(r.Epoch) >= t.Epoch {
		t.Epoch = int32(r.Epoch)
		if r.Last != nil {
			t.Last = formatMetrics(r.Last.Metrics)
		}
	}
	if r.Epochs > 0 {
		t.Epochs = int32(r.Epochs)
	}
	if whole || r.Best != nil && better(*r.Best, p.best[t.Name]) {
		p.best[t.Name] = r.Best
	}
	if b := p.best[t.Name]; b != nil {
		t.Best = &api.BestMetrics{
			Metrics:    *formatMetrics(b.Metrics),
			Epoch:      int32(b.Epoch),
			Checkpoint: reference(b.Checkpoint),
		}
	} else {
		t.Best = nil
	}
	if whole {
		t.Curve = nil
	}
	t.Curve = thinCurve(mergeCurves(t.Curve, r.Curve), p.best[t.Name])
	if r.Test != nil {
		t.Test = formatMetrics(*r.Test)
	}
	if r.Digests != nil {
		d := api.Digests(*r.Digests)
		t.Digests = &d
	}
	t.SecondsLeft = secondsLeft(t, r)
	t.ReportsSeen = max(t.ReportsSeen, r.Folded)
	t.Duplicates = max(t.Duplicates, r.Duplicates)
	if p.Reports.Whole { // otherwise reports that were read before the stream dropped them would count as missing
		t.Gaps = r.Gaps
	}
}

// better reports whether the best of the stream replaces the best in status. Values in status are rounded, so the same
// checkpoint replaces itself.
func better(reported Measured, remembered *Measured) bool {
	if remembered == nil {
		return true
	}
	if reported.Epoch == remembered.Epoch && reference(reported.Checkpoint) == reference(remembered.Checkpoint) {
		return true
	}
	return wire.BetterEpoch(reported.epochValue(), remembered.epochValue())
}

func (m Measured) epochValue() wire.EpochValue {
	return wire.EpochValue{Epoch: m.Epoch, AUCPR: m.Metrics.AUCPR}
}

// rememberedBest returns the best in a trial's status, or nil.
func rememberedBest(t *api.TrialStatus) *Measured {
	if t.Best == nil {
		return nil
	}
	m := &Measured{
		Epoch:      int(t.Best.Epoch),
		Checkpoint: &wire.CheckpointRef{URI: t.Best.Checkpoint.URI, Digest: t.Best.Checkpoint.Digest},
		Metrics: wire.Metrics{
			AUCPR:      parseDecimal(t.Best.AUCPR),
			AUCPRLow:   parseDecimal(t.Best.AUCPRLow),
			AUCPRHigh:  parseDecimal(t.Best.AUCPRHigh),
			F1:         parseDecimal(t.Best.F1),
			Precision:  parseDecimal(t.Best.Precision),
			Recall:     parseDecimal(t.Best.Recall),
			Threshold:  parseDecimal(t.Best.Threshold),
			Prevalence: parseDecimal(t.Best.Prevalence),
			Samples:    int(t.Best.Samples),
		},
	}
	if t.Digests != nil {
		m.Digests = wire.Digests(*t.Digests)
	}
	return m
}

// parseDecimal returns the number in a status field. Text that is not a number can only come from somebody who edited
// the status; it becomes NaN, which is never the best.
func parseDecimal[S ~string](s S) float64 {
	v, err := strconv.ParseFloat(string(s), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func formatMetrics(m wire.Metrics) *api.Metrics {
	return &api.Metrics{
		AUCPR:      api.FormatDecimal(m.AUCPR),
		AUCPRLow:   api.FormatDecimal(m.AUCPRLow),
		AUCPRHigh:  api.FormatDecimal(m.AUCPRHigh),
		F1:         api.FormatDecimal(m.F1),
		Precision:  api.FormatDecimal(m.Precision),
		Recall:     api.FormatDecimal(m.Recall),
		Threshold:  api.SignedDecimal(api.FormatDecimal(m.Threshold)),
		Prevalence: api.FormatDecimal(m.Prevalence),
		Samples:    int32(m.Samples),
	}
}

// reference returns a checkpoint's reference as an API type; nil gives the empty reference.
func reference(c *wire.CheckpointRef) api.CheckpointRef {
	if c == nil {
		return api.CheckpointRef{}
	}
	return api.CheckpointRef{URI: c.URI, Digest: c.Digest}
}

// mergeCurves returns the points of both curves, sorted by epoch. A reported point replaces a remembered point of the
// same epoch.
func mergeCurves(remembered []api.CurvePoint, reported []Measured) []api.CurvePoint {
	points := map[int32]api.CurvePoint{}
	for _, p := range remembered {
		points[p.Epoch] = p
	}
	for _, m := range reported {
		points[int32(m.Epoch)] = api.CurvePoint{Epoch: int32(m.Epoch), AUCPR: api.FormatDecimal(m.Metrics.AUCPR)}
	}
	return slices.SortedFunc(maps.Values(points), func(a, b api.CurvePoint) int { return int(a.Epoch - b.Epoch) })
}

// thinCurve keeps at most maxCurve points: evenly spaced points that include the first and the last, and the best.
func thinCurve(curve []api.CurvePoint, best *Measured) []api.CurvePoint {
	n := len(curve)
	if n <= maxCurve {
		return curve
	}
	out := make([]api.CurvePoint, maxCurve)
	for i := range out {
		out[i] = curve[i*(n-1)/(maxCurve-1)]
	}
	if best == nil {
		return out
	}
	byEpoch := func(p api.CurvePoint, e int32) int { return int(p.Epoch - e) }
	from, known := slices.BinarySearchFunc(curve, int32(best.Epoch), byEpoch)
	if at, kept := slices.BinarySearchFunc(out, int32(best.Epoch), byEpoch); known && !kept {
		out[min(max(at-1, 1), maxCurve-2)] = curve[from] // replaces a neighbour, but not the first or the last point
	}
	return out
}

// secondsLeft estimates how long the remaining epochs of a trial take, from the duration of its last epoch. It returns
// nil if that is not known or if nothing remains.
func secondsLeft(t *api.TrialStatus, r TrialReports) *int64 {
	if t.Phase.Terminal() || r.EpochSeconds <= 0 || t.Epoch >= t.Epochs {
		return nil
	}
	s := int64(math.Ceil(r.EpochSeconds * float64(t.Epochs-t.Epoch)))
	return &s
}
