//go:build !drill

package failpoint

// Here does nothing in this build. With the build tag drill it may kill the process.
func Here(string) {}

// Full returns nil in this build. With the build tag drill it may return that the disk is full.
func Full(string) error { return nil }
