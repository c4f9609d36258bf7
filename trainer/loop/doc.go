// Package loop trains one trial: it draws batches, follows the schedule, takes steps, validates after each epoch, keeps the best,
// saves, reports and, at the end, scores the best once on the test split. Run reads in that order.
//
// In the walk it stands between session, which does the arithmetic behind the Stepper interface, and checkpoint and outbox,
// which keep and send what it found out. It knows neither TensorFlow nor NATS, so that all of it is tested in
// milliseconds on a logistic regression.
//
// Nothing here has a hidden state. What an epoch trains on follows from (seed, epoch), what a step's learning rate is from its
// position; with the counters in a resume checkpoint's manifest, a trial that was interrupted anywhere ends in the same bytes as
// one that was not.
package loop
