package score

// Point is one point of the precision-recall curve: the precision and recall of calling every sample with a score of at
// least Threshold a defect.
type Point struct {
	Threshold float64 // the score of at least one sample
	Precision float64
	Recall    float64
}

// Curve returns the precision-recall curve for plotting. It has one point for each distinct score, from the
// highest to the lowest, so that recall never falls. It is scikit-learn's precision_recall_curve without the
// point (recall 0, precision 1), which belongs to no threshold.
func Curve(samples []Sample) ([]Point, error) {
	s, err := newSteps(samples)
	if err != nil {
		return nil, err
	}
	var points []Point
	end := 0
	for _, c := range s.cuts() {
		end = c.TruePositive + c.FalsePositive // the number of samples at or above this cut, because every count is 1
		points = append(points, Point{s.samples[end-1].Score, c.Precision(), c.Recall()})
	}
	return points, nil
}

// Trapezoid returns the area under the curve's points joined by straight lines: scikit-learn's auc over
// precision_recall_curve. Where scores are tied it is more optimistic than AveragePrecision. A published
// "AUC-PR" may be either of the two, so its author must be asked.
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
			break // recall is 1: further points only have a lower precision
		}
	}
	return area
}

// RecallAtPrecision returns the highest recall of all thresholds with at least this precision, or 0 when there
// is none. It answers a question of an inspection line: if at most 1 - precision of the calls may be false, how
// many of the defects are found? The threshold is the best one on these samples, so the answer is optimistic
// when the samples are few.
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

// OracleF1 returns the highest F1 of all thresholds on these samples. Only somebody who knows the labels can
// choose that threshold, so OracleF1 is an upper bound for any choice. Its difference to the F1 at the chosen
// threshold is the cost of that choice.
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
