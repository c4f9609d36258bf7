// Package text makes text safe for a terminal, counts its columns, cuts and wraps it, and draws it in colour.
package text
