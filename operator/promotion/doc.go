// Package promotion decides how a ModelVersion is published: from the version, its Model, what the cluster shows of its
// publishing Jobs, and the time, it makes the next status and the Jobs to create. It is to a ModelVersion what
// operator/plan is to a run; controller/modelversion.go calls it. Pure: no client, no context, no clock, no logger.
package promotion
