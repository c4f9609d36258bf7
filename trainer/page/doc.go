// Package page draws what a trial came to as one HTML page that needs nothing but itself: metrics beside those of a blind model,
// learning curves, the precision-recall curve with the threshold, what the threshold gets right and wrong, and the worst mistakes as
// pictures, each with where the network looked.
//
// In the walk it comes last on the trainer's side: a best checkpoint has been scored, and a person decides whether to promote it.
// That person reads pictures of parts every day and learning curves seldom, so every figure says in words what it means.
//
// The package is pure: a Content in, bytes out; no clock, no file, no TensorFlow. Ids, packages and names come from data sets and may
// hold anything, HTML included; they go through html/template.
package page
