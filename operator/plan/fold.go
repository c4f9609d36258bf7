package plan

import (
	"maps"
	"math"
	"slices"
	"strconv"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// maxCurve is how many points status keeps of a learning curve, as the CRD has it.
const maxCurve = 128

// foldReports puts what was reported into a trial's status. Until the stream has been read to where it was, what is
// folded is a part only, and status stays as it is. Where the stream has lost reports of the run, status may know more
// than the stream: then nothing in it goes back.
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
		t.Best = &api.BestMetrics{Metrics: *formatMetrics(b.Metrics), Epoch: int32(b.Epoch), Checkpoint: reference(b.Checkpoint)}
	} else {
		t.Best = nil
	}
	if whole {
		t.Curve = nil
	}
	t.Curve = thin(overlay(t.Curve, r.Curve), p.best[t.Name])
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
	if p.Reports.Whole { // otherwise what was read and then dropped would look as if it had never come
		t.Gaps = r.Gaps
	}
}

// better reports whether the best of the stream replaces the best that status remembers, whose values are rounded.
func better(reported Measured, remembered *Measured) bool {
	if remembered == nil || reported.Epoch == remembered.Epoch && reference(reported.Checkpoint) == reference(remembered.Checkpoint) {
		return true
	}
	return wire.BetterEpoch(reported.value(), remembered.value())
}

func (m Measured) value() wire.EpochValue {
	return wire.EpochValue{Epoch: m.Epoch, Value: m.Metrics.AUCPR}
}

// rememberedBest reads a trial's best back from its status.
func rememberedBest(t *api.TrialStatus) *Measured {
	if t.Best == nil {
		return nil
	}
	m := &Measured{
		Epoch:      int(t.Best.Epoch),
		Checkpoint: &wire.CheckpointRef{URI: t.Best.Checkpoint.URI, Digest: t.Best.Checkpoint.Digest},
		Metrics: wire.Metrics{
			AUCPR: parseDecimal(t.Best.AUCPR), AUCPRLow: parseDecimal(t.Best.AUCPRLow), AUCPRHigh: parseDecimal(t.Best.AUCPRHigh),
			F1: parseDecimal(t.Best.F1), Precision: parseDecimal(t.Best.Precision), Recall: parseDecimal(t.Best.Recall),
			Threshold: parseDecimal(t.Best.Threshold), Prevalence: parseDecimal(t.Best.Prevalence), Samples: int(t.Best.Samples),
		},
	}
	if t.Digests != nil {
		m.Digests = wire.Digests(*t.Digests)
	}
	return m
}

func parseDecimal[S ~string](s S) float64 {
	v, err := strconv.ParseFloat(string(s), 64)
	if err != nil {
		return math.NaN() // never the best: a status that somebody wrote by hand
	}
	return v
}

func formatMetrics(m wire.Metrics) *api.Metrics {
	return &api.Metrics{
		AUCPR: api.FormatDecimal(m.AUCPR), AUCPRLow: api.FormatDecimal(m.AUCPRLow), AUCPRHigh: api.FormatDecimal(m.AUCPRHigh),
		F1: api.FormatDecimal(m.F1), Precision: api.FormatDecimal(m.Precision), Recall: api.FormatDecimal(m.Recall),
		Threshold:  api.SignedDecimal(api.FormatDecimal(m.Threshold)),
		Prevalence: api.FormatDecimal(m.Prevalence), Samples: int32(m.Samples),
	}
}

func reference(c *wire.CheckpointRef) api.CheckpointRef {
	if c == nil {
		return api.CheckpointRef{}
	}
	return api.CheckpointRef{URI: c.URI, Digest: c.Digest}
}

// overlay puts the reported points over the remembered ones, by epoch.
func overlay(remembered []api.CurvePoint, reported []Measured) []api.CurvePoint {
	points := map[int32]api.CurvePoint{}
	for _, p := range remembered {
		points[p.Epoch] = p
	}
	for _, m := range reported {
		points[int32(m.Epoch)] = api.CurvePoint{Epoch: int32(m.Epoch), AUCPR: api.FormatDecimal(m.Metrics.AUCPR)}
	}
	return slices.SortedFunc(maps.Values(points), func(a, b api.CurvePoint) int { return int(a.Epoch - b.Epoch) })
}

// thin keeps at most maxCurve points: evenly spaced ones with both ends, and the best.
func thin(curve []api.CurvePoint, best *Measured) []api.CurvePoint {
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
	in, known := slices.BinarySearchFunc(curve, int32(best.Epoch), byEpoch)
	if at, kept := slices.BinarySearchFunc(out, int32(best.Epoch), byEpoch); known && !kept {
		out[min(max(at-1, 1), maxCurve-2)] = curve[in] // neither end
	}
	return out
}

func secondsLeft(t *api.TrialStatus, r TrialReports) *int64 {
	if t.Phase.Terminal() || r.EpochSeconds <= 0 || t.Epoch >= t.Epochs {
		return nil
	}
	s := int64(math.Ceil(r.EpochSeconds * float64(t.Epochs-t.Epoch)))
	return &s
}
