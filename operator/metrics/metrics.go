// Package metrics holds what the operator counts, for Prometheus. No label names a run: their number has no bound. What
// happens to one run is in its status. What controller-runtime counts already is not counted again: reconciles, their
// errors and duration (controller_runtime_reconcile_*), the work queue, and who leads (leader_election_master_status).
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// What is counted of reports.
var (
	// Reports by kind and by what folding them changed. After a takeover all that the stream holds of active runs is
	// read again.
	Reports = counters("plumbline_reports_total", "Reports that were read from the stream, by kind and effect.", "kind", "effect")
	// Refused reports by reason. They are never in a status.
	Refused = counters("plumbline_reports_refused_total", "Reports that were refused, by reason.", "reason")
	// Gaps that were noticed. Reports that arrive late close a gap again and do not count back; State.Missing does.
	Gaps = counter("plumbline_report_gaps_total", "Reports that were found missing when a later one of the same writer arrived.")
	// Duplicates are what the ledger keeps from being counted twice.
	Duplicates = counter("plumbline_report_duplicates_total", "Reports that told what another had told before.")
	// ReportToStatus is by the trial's clock at one end and the operator's at the other.
	ReportToStatus = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "plumbline_report_to_status_seconds", Help: "From the time in a report of progress to the write of the status that shows it.",
		// From what a status takes at best, over the 2 s for which progress is gathered, to an outage of NATS.
		Buckets: []float64{.1, .25, .5, 1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200},
	})
)

// How the stream is, as far as the replica that leads has looked.
var (
	Connected  = gauge("plumbline_stream_connected", "1 while the operator reads the report stream.")
	Lag        = gauge("plumbline_stream_lag_messages", "Messages in the stream that the operator has not read.")
	Messages   = gauge("plumbline_stream_messages", "Messages in the stream.")
	Spare      = gauge("plumbline_stream_spare_messages", "Messages in the stream that are older than any active run: a full stream drops these first.")
	Bytes      = gauge("plumbline_stream_bytes", "Size of the stream.")
	BytesLimit = gauge("plumbline_stream_limit_bytes", "Size at which the stream drops its oldest messages.")
)

// What is counted once the status that says it was written.
var (
	// Attempts by class: a trial's last attempt as well as those that are followed by another.
	Attempts = counters("plumbline_attempts_ended_total", "Attempts that ended, by class.", "class")
	// Retries of trials by the class of the attempt that ended.
	Retries = counters("plumbline_trial_retries_total", "Attempts that ended and are followed by another, by class.", "class")
	// Ended runs by their phase.
	Ended = counters("plumbline_training_runs_ended_total", "TrainingRuns that ended, by phase.", "phase")
	// GPUSeconds and LostGPUSeconds are the sum of what the runs' status.cost says.
	GPUSeconds     = counter("plumbline_gpu_seconds_total", "GPU-seconds that ended attempts took.")
	LostGPUSeconds = counter("plumbline_lost_gpu_seconds_total", "GPU-seconds of attempts that were tried again, in which nothing was trained that a later attempt went on from.")
)

// What the operator does.
var (
	// CredentialErrors are credentials that could not be made.
	CredentialErrors = counter("plumbline_credential_errors_total", "Credentials of runs that could not be made.")
	// Writes to the API server, whoever in the operator makes them: events and the lease included.
	Writes = counters("plumbline_api_writes_total", "Requests that change something in the API server, by verb, resource and HTTP status.", "verb", "resource", "code")
)

// init makes the series that alerts look at: what Prometheus first sees at 1 has not increased for it.
func init() {
	for _, c := range []wire.Class{wire.ClassSucceeded, wire.ClassSettings, wire.ClassData, wire.ClassDiverged, wire.ClassDevice, wire.ClassInterrupted,
		wire.ClassMemory, wire.ClassStalled, wire.ClassCrash, wire.ClassReports} {
		Attempts.WithLabelValues(string(c))
		if c.Retry() != wire.RetryNever {
			Retries.WithLabelValues(string(c))
		}
	}
	Ended.WithLabelValues(string(api.RunSucceeded))
	Ended.WithLabelValues(string(api.RunFailed))
}

// Register puts all of them into a registry, with what state counts when it is asked.
func Register(r prometheus.Registerer, state func() State) error {
	for _, c := range []prometheus.Collector{
		Reports, Refused, Gaps, Duplicates, ReportToStatus,
		Connected, Lag, Messages, Spare, Bytes, BytesLimit,
		Attempts, Retries, Ended, GPUSeconds, LostGPUSeconds,
		CredentialErrors, Writes, stateOf(state),
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
