// Package metrics holds the operator's Prometheus metrics. No label names a run, because the number of runs has no
// bound: what happens to one run is in its status. The metrics leave out what controller-runtime counts already:
// reconciles, their errors and duration (controller_runtime_reconcile_*), the work queue, and which replica leads
// (leader_election_master_status).
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Metrics of reports.
var (
	// Reports counts folded reports by kind and by the effect of folding them. After a takeover the operator reads, and
	// counts, all reports of active runs again.
	Reports = counters("plumbline_reports_total",
		"Reports that were read from the stream, by kind and effect.", "kind", "effect")
	// Refused counts refused reports by reason. No status shows them.
	Refused = counters("plumbline_reports_refused_total", "Reports that were refused, by reason.", "reason")
	// Gaps counts gaps when they are noticed. A late report that closes a gap does not lower the counter, but it lowers
	// Counts.Missing.
	Gaps = counter("plumbline_report_gaps_total",
		"Reports that were missing when a later report of the same writer arrived.")
	// Duplicates counts reports that the ledger had already, from the same or from another writer.
	Duplicates = counter("plumbline_report_duplicates_total", "Reports that repeated an earlier report.")
	// ReportToStatus compares two clocks: the trial's, which made the report's time, and the operator's.
	ReportToStatus = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "plumbline_report_to_status_seconds",
		Help: "Time from the creation of a report to the write of the status that shows the report.",
		// The buckets reach from the fastest status, over the 2 s for which progress is gathered, to an outage of NATS.
		Buckets: []float64{.1, .25, .5, 1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200},
	})
)

// Metrics of the stream, as the leader sees it.
var (
	Connected = gauge("plumbline_stream_connected", "1 while the operator reads the report stream.")
	Lag       = gauge("plumbline_stream_lag_messages", "Messages in the stream that the operator has not read.")
	Messages  = gauge("plumbline_stream_messages", "Messages in the stream.")
	Spare     = gauge("plumbline_stream_spare_messages",
		"Messages in the stream that are older than every active run. A full stream drops these first.")
	Bytes      = gauge("plumbline_stream_bytes", "Size of the stream.")
	BytesLimit = gauge("plumbline_stream_limit_bytes", "Size at which the stream drops its oldest messages.")
)

// Metrics that are counted once the status that says so was written.
var (
	// Attempts counts ended attempts by class, whether or not another attempt follows.
	Attempts = counters("plumbline_attempts_ended_total", "Attempts that ended, by class.", "class")
	// Retries counts retries of trials by the class of the attempt that ended.
	Retries = counters("plumbline_trial_retries_total",
		"Attempts that ended and are followed by another, by class.", "class")
	// Ended counts ended runs by phase.
	Ended = counters("plumbline_training_runs_ended_total", "TrainingRuns that ended, by phase.", "phase")
	// GPUSeconds and LostGPUSeconds sum up status.cost of all runs.
	GPUSeconds     = counter("plumbline_gpu_seconds_total", "GPU-seconds that ended attempts took.")
	LostGPUSeconds = counter("plumbline_lost_gpu_seconds_total",
		"GPU-seconds of ended attempts that were lost, because no later attempt resumed from what they trained.")
)

// Metrics of what the operator does.
var (
	// CredentialErrors counts failures to make a run's credential.
	CredentialErrors = counter("plumbline_credential_errors_total", "Credentials of runs that could not be made.")
	// Writes counts all requests of the operator that change something in the API server, also those that write events
	// and the lease.
	Writes = counters("plumbline_api_writes_total",
		"Requests that change something in the API server, by verb, resource and HTTP status.",
		"verb", "resource", "code")
)

// classes are the classes of ended attempts.
var classes = []wire.Class{
	wire.ClassSucceeded, wire.ClassSettings, wire.ClassData, wire.ClassDiverged, wire.ClassDevice,
	wire.ClassInterrupted, wire.ClassMemory, wire.ClassStalled, wire.ClassCrash, wire.ClassReports,
}

// init creates the series that alerts read. Prometheus sees no increase in a series whose first value is 1, so each
// must exist at 0 first.
func init() {
	for _, c := range classes {
		Attempts.WithLabelValues(string(c))
		if c.Retry() != wire.RetryNever {
			Retries.WithLabelValues(string(c))
		}
	}
	Ended.WithLabelValues(string(api.RunSucceeded))
	Ended.WithLabelValues(string(api.RunFailed))
}

// Register registers all metrics. When Prometheus asks for them, count returns the values of the gauges of Counts.
func Register(r prometheus.Registerer, count func() Counts) error {
	for _, c := range []prometheus.Collector{
		Reports, Refused, Gaps, Duplicates, ReportToStatus,
		Connected, Lag, Messages, Spare, Bytes, BytesLimit,
		Attempts, Retries, Ended, GPUSeconds, LostGPUSeconds,
		CredentialErrors, Writes, collector(count),
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
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
