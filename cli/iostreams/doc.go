// Package iostreams holds the input and output streams of a command line, and a screen that draws over its last output.
package iostreams
