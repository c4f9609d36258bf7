package wire

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

const fileScheme = "file://"

// LocalPath returns the absolute path that a file:// location names, such as /data/erasers for file:///data/erasers.
// Nothing is unescaped: after file:// follows the path exactly as the file system has it.
func LocalPath(uri string) (string, error) {
	absolute, ok := strings.CutPrefix(uri, fileScheme)
	if !ok || !filepath.IsAbs(absolute) {
		return "", fmt.Errorf("location %q is not of the form file:///absolute/path", uri)
	}
	return filepath.Clean(absolute), nil
}

// LocalURI returns the file:// location of an absolute path.
func LocalURI(absolute string) string { return fileScheme + absolute }

// WriterDir returns the path, below the checkpoint store, of the directory that belongs to one writer alone.
func WriterDir(runUID, trial, writer string) string { return path.Join(runUID, trial, writer) }

// StorePath returns the path of a checkpoint below the checkpoint store, <run uid>/<trial>/<writer>/<name>: the last
// four elements of the checkpoint's uri. The result does not depend on the path at which the store is mounted. ok is
// false if the uri does not end in such a path.
func StorePath(uri string) (storePath string, ok bool) {
	parts := strings.Split(strings.TrimRight(uri, "/"), "/")
	if len(parts) < 4 {
		return "", false
	}
	parts = parts[len(parts)-4:]
	for i, p := range parts {
		// The names of a writer and of a checkpoint, the last two, may be longer than a token.
		if !validToken(p) && (i < 2 || p == "" || strings.HasPrefix(p, ".")) {
			return "", false
		}
	}
	return path.Join(parts...), true
}
