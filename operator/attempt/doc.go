// Package attempt reads from an attempt's Job and pod what the attempt waits for and how it ended. Both planners use
// it: plan for the attempts of a trial, publishing for the attempts to publish a version. It is pure: observed objects
// and the time go in, values come out.
package attempt
