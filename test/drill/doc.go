// Command drill kills things at random and proves that nothing was lost. On a local cluster of its own it first trains a small sweep
// undisturbed, then sweeps of the same settings while faults strike: processes are killed, connections hang, checkpoints are
// damaged, disks fill up, people suspend and delete. What it saw (every report in the stream, every version of every object, every
// checkpoint on the disk) goes to the validator, which shares no code with the operator and says what must not have happened.
//
// `make drills SEED=7 FAULTS=200` runs it; the same seed draws the same faults in the same order.
package main
