// Package prune is `plumb prune`. It starts a Job that removes the checkpoints that no run and no model version needs.
package prune
