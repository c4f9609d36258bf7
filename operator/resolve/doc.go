// Package resolve turns a run and one of its depths into wire.Trial, the document that a pod receives. In it presets,
// overrides and defaults have become values. operator/plan calls the package when it admits a run and when it creates a
// Job; `plumb retry` calls it to compare two runs. It is pure: a run goes in, values or an error come out.
package resolve
