// Package promcheck holds only tests: the alerts and the dashboard of config/monitoring are read by Prometheus' own libraries, fired on
// series that tell a story, and held against what the operator really answers with. It is a module of its own, so that Prometheus
// is no dependency of Plumbline. `make verify` runs it.
package promcheck
