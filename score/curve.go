package score

// Point is what calling every sample of at least this score a defect does: one point of the precision-recall curve.
type Point struct {
	Threshold float64 // a score that a sample has; the comparator is >=
	Precision float64
	Recall    float64
}

// Curve is the precision-recall curve for plotting: one point for each distinct score, from the highest down, so that recall never
// falls. It is scikit-learn's precision_recall_curve without the last point, (recall 0, precision 1), which no threshold has.
func Curve(samples []Sample) ([]Point, error) {
	s, err := newSteps(samples)
	if err != nil {
		return nil, err
	}
	var points []Point
	end := 0
	for _, c := range s.cuts() {
		end = c.TruePositive + c.FalsePositive // every count is 1: so many samples are at or above this cut
		points = append(points, Point{s.samples[end-1].Score, c.Precision(), c.Recall()})
	}
	return points, nil
}

// Trapezoid is the area under the curve's points joined by straight lines: scikit-learn's auc over precision_recall_curve. It is
// more hopeful than AveragePrecision where scores are tied; which of the two a published figure is must be asked.
func Trapezoid(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return s.trapezoid(), nil
}

func (s steps) trapezoid() float64 {
	area, recall, precision := 0.0, 0.0, 1.0 // scikit-learn starts at (0, 1)
	for _, c := range s.cuts() {
		area += (c.Recall() - recall) * (c.Precision() + precision) / 2
		recall, precision = c.Recall(), c.Precision()
		if c.FalseNegative == 0 {
			break // full recall: what follows only loses precision
		}
	}
	return area
}

// RecallAtPrecision is the highest recall of any threshold whose precision is at least this; 0 where no threshold has it. It answers
// what an inspection line asks: of the defects, how many are caught if so few calls may be false? The threshold is the best one on
// these very samples, so that it is a hopeful figure where they are few.
func RecallAtPrecision(samples []Sample, precision float64) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return s.recallAt(precision), nil
}

func (s steps) recallAt(precision float64) float64 {
	best := 0.0
	for _, c := range s.cuts() {
		if c.Precision() >= precision {
			best = max(best, c.Recall())
		}
	}
	return best
}

// OracleF1 is the highest F1 of any threshold on these very samples. Nobody who has not seen their labels could have known that
// threshold: it bounds what a choice of threshold can reach, and the gap to F1 at the chosen one is what the choice cost.
func OracleF1(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return s.oracleF1(), nil
}

func (s steps) oracleF1() float64 {
	best := 0.0
	for _, c := range s.cuts() {
		best = max(best, c.F1())
	}
	return best
}
