// Package models is `plumb models`: the models and their versions.
package models
