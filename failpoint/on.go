//go:build drill

package failpoint

import (
	"os"
	"path/filepath"
	"syscall"
)

const envDir = "DRILL_FAILPOINTS"

// Here kills this process if the drill has armed the point, and if no other process was faster.
func Here(name string) {
	dir := os.Getenv(envDir)
	if dir == "" || os.Remove(filepath.Join(dir, name)) != nil {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // nothing may happen before the signal arrives
}

// Full says that the disk is full while the point is armed.
func Full(name string) error {
	dir := os.Getenv(envDir)
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		return nil
	}
	return &os.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
}
