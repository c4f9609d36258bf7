//go:build !drill

package failpoint

// Here is where a drill may kill the process; in this build it does nothing.
func Here(string) {}

// Full is where a drill may say that the disk is full; in this build it never is.
func Full(string) error { return nil }
