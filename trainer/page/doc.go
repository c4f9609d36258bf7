// Package page writes the result of a trial as one self-contained HTML page. The page shows the metrics beside the
// chance level, the learning curves, the precision-recall curve with the threshold, the decisions at the threshold, and
// pictures of the worst mistakes, which show where the network found evidence for a defect.
//
// In the walk it comes last on the trainer's side: a best checkpoint has been scored, and a person decides whether to
// promote it. That person sees pictures of parts every day, but learning curves seldom. Therefore each figure on the
// page has a text that explains it.
//
// The package is pure: it makes bytes from a Content, without a clock, files or TensorFlow. Ids, packages and names
// come from data sets and may contain anything, even HTML, so html/template escapes them.
package page
