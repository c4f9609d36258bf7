// Command plumbline-trainer trains ResNets on TensorFlow. In the walk it runs in an attempt's pod: it reads the
// wire.Trial that the operator wrote, trains, writes checkpoints, sends reports, and ends with an exit code and a
// termination message. The publishing Job and the Job of `plumb prune` run it too. It also works on one machine: fit
// trains one depth, evaluate measures its best checkpoint, explain shows where the network looked, export writes a
// SavedModel, and predict asks a published or exported model.
//
// This package wires all the others together: dataset -> session (resnet) -> loop -> checkpoint, outbox, export, page.
// Each verb of the command line has a file verb_*.go; the other files hold what several verbs use, or a large part of
// one verb.
package main
