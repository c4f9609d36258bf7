//go:build drill

package failpoint

import (
	"os"
	"path/filepath"
	"syscall"
)

const envDir = "DRILL_FAILPOINTS"

// Here kills this process if the drill has armed the point with this name. If several processes pass an armed
// point, only the one that deletes its file dies.
func Here(name string) {
	dir := os.Getenv(envDir)
	if dir == "" || os.Remove(filepath.Join(dir, name)) != nil {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // blocks until the signal arrives
}

// Full returns the error of a full disk while the drill has armed the point with this name, and nil otherwise.
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
