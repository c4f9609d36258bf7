package metrics

import "github.com/prometheus/client_golang/prometheus"

// Counts holds the gauges that are counted when Prometheus asks for them, so that deleted runs disappear. Every replica
// returns the same numbers: take the maximum over the replicas, not the sum.
type Counts struct {
	Runs, Trials map[string]int // by phase
	Missing      int64          // reports of active runs that are known to be missing
}

// collector is a function that returns the values, with the methods of a prometheus.Collector, which calls it.
type collector func() Counts

var (
	runs    = prometheus.NewDesc("plumbline_training_runs", "TrainingRuns by phase.", []string{"phase"}, nil)
	trials  = prometheus.NewDesc("plumbline_trials", "Trials of all TrainingRuns by phase.", []string{"phase"}, nil)
	missing = prometheus.NewDesc("plumbline_reports_missing",
		"Reports of active runs that are known to be missing.", nil, nil)
)

// Describe sends the descriptions of the gauges.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- runs
	ch <- trials
	ch <- missing
}

// Collect sends the values of the gauges.
func (count collector) Collect(ch chan<- prometheus.Metric) {
	s := count()
	for phase, n := range s.Runs {
		ch <- prometheus.MustNewConstMetric(runs, prometheus.GaugeValue, float64(n), phase)
	}
	for phase, n := range s.Trials {
		ch <- prometheus.MustNewConstMetric(trials, prometheus.GaugeValue, float64(n), phase)
	}
	ch <- prometheus.MustNewConstMetric(missing, prometheus.GaugeValue, float64(s.Missing))
}
