// Package output is the flag -o, which prints JSON, YAML or names for programs.
package output
