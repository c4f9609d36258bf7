// Package controller makes the cluster follow the plan. In the walk it is between the API server and the packages that
// decide. Reconcile has four steps: observe, plan, write the status, apply. Package controller decides nothing:
// observe.go reads the cluster and the folded reports, package plan decides, status.go writes the status and records
// events, and apply.go creates and deletes objects. modelversion.go has the same steps for a ModelVersion, for which
// package publishing decides.
//
// The status is written before anything is created: an operator that is killed between the two steps finds in the
// status which Job it was about to create, and creates it.
package controller
