// Package e2e holds the tests of the whole walk, from kubectl apply to a promoted model, on a real API server, scheduler, NATS
// server and TensorFlow. Where it is a run's life that is tested and not its training, pods of the real cluster report by a script.
// They need the programs in $PLUMBLINE_BIN: run them with `make test-e2e`.
package e2e
