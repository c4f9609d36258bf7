// Package table lays out text in columns.
package table
