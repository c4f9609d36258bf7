// Package controller makes the cluster follow the plan. In the walk it stands between the API and everything else.
// Reconcile has four steps: observe, plan, write the status, apply. Package controller decides nothing: observe.go
// gathers, package plan decides, status.go writes the status and records events, apply.go creates and deletes.
// modelversion.go has the same steps for a ModelVersion, which package promotion decides about.
package controller
