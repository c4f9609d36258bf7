// Package prune is `plumb prune`: it has a Job remove the checkpoints that no run and no model version needs.
package prune
