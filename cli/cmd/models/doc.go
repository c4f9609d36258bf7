// Package models is `plumb models`, which lists models and their versions.
package models
