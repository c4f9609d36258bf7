package wire

// Release is the version of the programs, set when they are linked. It is for people and logs; Version decides what works together.
var Release = "unreleased"
