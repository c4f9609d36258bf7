// Package iostreams holds the streams of a command line and the screen that is drawn on.
package iostreams
