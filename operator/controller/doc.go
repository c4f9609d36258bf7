// Package controller makes the cluster follow the plan. In the walk it stands between the API and everything else: Reconcile
// reads observe, plan, apply, report. It decides nothing: observe.go gathers, plan decides, status.go writes and tells,
// apply.go creates. modelversion.go is the same for publishing.
package controller
