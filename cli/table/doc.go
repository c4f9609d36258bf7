// Package table lays text out in columns.
package table
