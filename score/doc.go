// Package score measures how well scores tell defects from normal samples: AUC-PR and its interval, the difference of two and its
// interval, ROC-AUC, F1 and the threshold that it is taken at, how honest the probabilities are (cross-entropy, Brier, calibration
// error) and the temperature that makes them so, and the shift that sampling and loss weights put on a score.
//
// In the walk it stands between the loop, which asks a model for scores, and the report, which carries what is said here. It is
// pure: numbers in, numbers out, randomness from a seed. Formulas are scikit-learn's; testdata holds its answers. What is said depends
// on the set of samples and never on their order.
//
// What cannot be measured is an error and never a number: NaN and Inf among the scores (ErrNotFinite), no sample at all or no
// defect (ErrNoDefect: precision and recall are about defects; Brier and the calibration error need samples only). Without a normal
// sample everything is defined and perfect, an average precision of 1, except ROC-AUC, which is about pairs (ErrNoNormal).
package score
