// Package dataset is `plumb dataset`. It checks a labelled image set, or makes a synthetic one. It needs no cluster.
package dataset
