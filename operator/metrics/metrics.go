// Package metrics holds what the operator counts, for Prometheus. No label names a run: their number has no bound. What
// happens to one run is in its status.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

var (
	// Reports by kind and by what folding them changed.
	Reports = counters("plumbline_reports_total", "Reports that were read from the stream, by kind and effect.", "kind", "effect")
	// Refused reports by reason. They are never in a status.
	Refused = counters("plumbline_reports_refused_total", "Reports that were refused, by reason.", "reason")
	// Gaps that were noticed. Reports that arrive late close a gap again and do not count back.
	Gaps = counter("plumbline_report_gaps_total", "Reports that were found missing when a later one of the same writer arrived.")
	// Lag of the operator behind the stream.
	Lag = gauge("plumbline_stream_lag_messages", "Messages in the stream that the operator has not read.")
	// Connected is 1 while the operator reads the stream.
	Connected = gauge("plumbline_stream_connected", "1 while the operator reads the report stream.")
	// Retries of trials by the class of the attempt that ended.
	Retries = counters("plumbline_trial_retries_total", "Attempts that ended and are followed by another, by class.", "class")
	// CredentialErrors are credentials that could not be made.
	CredentialErrors = counter("plumbline_credential_errors_total", "Credentials of runs that could not be made.")
)

// Register puts all of them into a registry, with the number of runs by phase, which is counted when it is asked for.
func Register(r prometheus.Registerer, runs func() map[string]int) error {
	for _, c := range []prometheus.Collector{Reports, Refused, Gaps, Lag, Connected, Retries, CredentialErrors, phases{runs}} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// phases counts runs when Prometheus asks, so that no deleted run is counted for ever.
type phases struct{ count func() map[string]int }

var runs = prometheus.NewDesc("plumbline_training_runs", "TrainingRuns by phase.", []string{"phase"}, nil)

func (phases) Describe(ch chan<- *prometheus.Desc) { ch <- runs }

func (p phases) Collect(ch chan<- prometheus.Metric) {
	for phase, n := range p.count() {
		ch <- prometheus.MustNewConstMetric(runs, prometheus.GaugeValue, float64(n), phase)
	}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}
