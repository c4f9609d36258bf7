// Command plumbline-trainer trains ResNets on TensorFlow. In the walk it is what an attempt's pod runs: it obeys the wire.Trial that
// the operator wrote, keeps checkpoints, reports, and answers through its exit code and its last word. The publishing Job runs it as
// well. It also works by itself: fit trains one depth on one machine, evaluate judges its best checkpoint, explain shows where it
// looked, export writes it as a SavedModel, predict asks a published or exported model.
//
// The wiring of everything else is here and nowhere else: dataset -> session (resnet) -> loop -> checkpoint, outbox, export, page.
package main
