// Package factory holds what every verb is made with, so that tests replace the streams, the cluster and the clock.
package factory
