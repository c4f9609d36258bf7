// Package dataset is `plumb dataset`. It checks a labelled image set, or makes one that looks real. It needs no cluster.
package dataset
