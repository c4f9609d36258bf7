// Package logs is `plumb logs`, which prints the logs of the pods of trials.
package logs
