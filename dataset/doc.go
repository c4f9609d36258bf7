// Package dataset reads one labelled image set: its samples, their labels, and their images as the
// pixels that a network takes.
//
// In the walk it comes between the trainer's settings and the graph. The trainer loads a set, packs it
// into uint8 pixels at its image size, and splits it into training, validation and test. The command
// line checks a set before anybody trains on it. The package is pure Go, knows neither Kubernetes nor
// TensorFlow, and never writes into the directory that it reads.
//
// A set is a directory:
//
//	dataset.yaml     name, channels in order, file pattern, labels file, range of 16-bit data, grid
//	labels.csv       id,label,package,position
//	corrections.csv  id,digest,from,to,reason,reviewer,date: an overlay on the labels, optional
//	images/…         one grey PNG, JPEG or TIFF file per sample and channel,
//	                 or with a grid one per package and channel
//
// docs/dataset.md describes a set with examples. Decoded pixels can be kept in a cache directory, see
// PackCached.
//
// All problems of a set are returned at once in a *ProblemsError, each as one sentence with its file
// and line. The same data has the same problems every time, so a caller should not retry. Any other
// error (a failing disk, a cancelled context) may be temporary.
package dataset
