// Package output is the flag -o: what programs read, as JSON, YAML or names.
package output
