// Package promcheck holds only tests, of the alerts and the dashboard in config/monitoring. Prometheus' own libraries
// read the files and evaluate the alerts on made-up series, and the names of the metrics are compared with those that
// the operator really has. promcheck is a separate module, so that Prometheus is no dependency of Plumbline. `make
// verify` runs the tests.
package promcheck
