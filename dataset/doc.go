// Package dataset reads one labelled image set: which samples there are, what
// people say about each, and what a network gets to see of them.
//
// In the walk it stands between the trainer's settings and the graph: the
// trainer loads a set, packs it into uint8 pixels at its image size and splits
// it into training, validation and test; the command line checks a set before
// anybody trains on it. It is pure Go, knows neither Kubernetes nor TensorFlow,
// and never writes into the directory that it reads.
//
// A set is a directory:
//
//	dataset.yaml     name, channels in order, file pattern, labels file, range of 16-bit data, grid
//	labels.csv       id,label,package,position
//	corrections.csv  id,digest,from,to,reason,reviewer,date: an overlay, optional
//	images/…         one grey PNG, JPEG or TIFF file per sample and channel,
//	                 or with a grid per package and channel
//
// docs/dataset.md describes it with examples. What was decoded can be kept in a
// directory of its own, see PackCached.
//
// Everything that is wrong with a set is said at once, each problem as one
// sentence with its file and line, in a *ProblemsError: running the same data
// again ends the same way, so nobody should retry it. Any other error (a disk
// that fails, a cancelled context) may pass.
package dataset
