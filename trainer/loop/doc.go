// Package loop trains one trial. It draws batches, follows the schedule of the learning rate, takes steps, validates
// after each epoch, keeps the best, saves, reports, and at the end scores the best once on the test split. Run reads in
// that order.
//
// In the walk it is between session, which does the arithmetic behind the Stepper interface, and checkpoint and outbox,
// which save and send the results. It knows neither TensorFlow nor NATS. Therefore all of it is tested in milliseconds,
// on a logistic regression.
//
// Nothing here has a hidden state. The samples of an epoch follow from (seed, epoch), and the learning rate of a step
// follows from its position. A resume checkpoint's manifest holds the counters. A trial that was interrupted anywhere
// therefore ends in the same bytes as an undisturbed one.
package loop
