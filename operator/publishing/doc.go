// Package publishing plans how a ModelVersion is published. Its input is the version, the Model, the observed
// publishing Jobs and pods, and the time. Its output is the next status and the Jobs to create. It does for a
// ModelVersion what operator/plan does for a run, and controller/modelversion.go calls it. It is pure: it has no
// client, no context, no clock and no logger.
package publishing
