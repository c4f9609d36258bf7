package wire

import (
	"fmt"
	"path/filepath"
	"strings"
)

const fileScheme = "file://"

// LocalPath returns the absolute path that a file:// location names, such as /data/erasers for file:///data/erasers.
// Nothing is unescaped: after file:// follows the path exactly as the file system has it.
func LocalPath(uri string) (string, error) {
	path, ok := strings.CutPrefix(uri, fileScheme)
	if !ok || !filepath.IsAbs(path) {
		return "", fmt.Errorf("location %q is not of the form file:///absolute/path", uri)
	}
	return filepath.Clean(path), nil
}

// LocalURI returns the file:// location of an absolute path.
func LocalURI(path string) string { return fileScheme + path }
