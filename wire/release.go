package wire

// Release is the version of the programs, set when they are linked. It is for people and logs. Whether an operator
// and a trainer work together is decided by Version.
var Release = "unreleased"
