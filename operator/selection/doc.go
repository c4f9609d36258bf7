// Package selection chooses the best checkpoint of a run and gives the reason in sentences. In the walk plan/run.go
// calls Choose, and the choice becomes status.best, which `plumb promote` copies. The package is pure: the choice
// depends on the candidates and the rule alone, and not on the order of the candidates.
package selection
