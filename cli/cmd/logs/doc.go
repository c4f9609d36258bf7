// Package logs is `plumb logs`: what the pods of trials print.
package logs
