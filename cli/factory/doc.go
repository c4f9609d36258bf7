// Package factory holds what every verb is created with, so that tests can replace the streams, the cluster and the
// clock.
package factory
