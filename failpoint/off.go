//go:build !drill

package failpoint

// Here is where a drill may kill the process; in this build it does nothing.
func Here(string) {}
