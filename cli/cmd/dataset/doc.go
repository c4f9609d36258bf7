// Package dataset is `plumb dataset`: check a labelled image set, or make one that looks real. It needs no cluster.
package dataset
