// Package text makes text safe for a terminal, counts its columns, truncates and wraps it, and draws it in colour.
package text
