// Command drill kills processes at random and shows that no report and no checkpoint is lost.
//
// It starts a local cluster and first trains a small sweep undisturbed. Then it trains sweeps of the same settings
// while faults strike: processes are killed, connections hang, checkpoints are damaged, disks fill up, the run is
// suspended. It records every report in the stream, every version of the run and its pods and Events, and every
// checkpoint on the disk. Package judge, which shares no code with the operator and the trainer, then says which rules
// were broken.
//
// `make drills SEED=7 FAULTS=200` runs it. The same seed draws the same faults in the same order. docs/drills.md
// describes the faults and the rules.
package main
