// Package e2e tests the whole walk, from kubectl apply to a promoted model, on a real API server, scheduler, NATS
// server and TensorFlow. Tests of a run's life that need no training have pods that report by a script instead
// (reporter_test.go). The tests need the programs in $PLUMBLINE_BIN: run them with `make test-e2e`.
package e2e
