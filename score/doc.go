// Package score measures how well scores separate defects from normal samples. It computes AUC-PR and its interval, the
// difference of two AUC-PRs and its interval, ROC-AUC, F1 and the threshold for it. It computes how well the predicted
// probabilities agree with the labels (cross-entropy, Brier score, calibration error), the temperature that calibrates
// them, and the shift that sampling weights and loss weights add to a score.
//
// In the walk it comes between the loop, which asks a model for scores, and the report, which carries the measured
// values. It is pure: numbers go in, numbers come out, and random draws come from a seed. The formulas are
// scikit-learn's; testdata holds scikit-learn's results. Every result depends on the set of samples and never on their
// order.
//
// A value that cannot be measured is an error and never a number. A score that is NaN or Inf is ErrNotFinite. A set
// without a sample or without a defect is ErrNoDefect, because precision and recall are about defects; the Brier score
// and the calibration error only need a sample. A set without a normal sample has an average precision of 1 and is no
// error, except for ROC-AUC, which compares pairs (ErrNoNormal).
package score
