// Package attempt says what the cluster shows of an attempt: its Job and its pod, what the attempt waits for, and how
// it ended. Both planners read it: plan for the attempts of a trial, promotion for the attempts to publish a version.
// Pure: observed objects and the time in, values out.
package attempt
