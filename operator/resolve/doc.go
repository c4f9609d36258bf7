// Package resolve turns a run and one of its depths into wire.Trial, the document that a pod is given: presets,
// overrides and defaults become values. operator/plan calls it when it admits a run and when it makes a Job; `plumb
// retry` calls it to compare two runs. Pure: a run in, values or an error out.
package resolve
