package wire

import (
	"fmt"
	"path/filepath"
	"strings"
)

const fileScheme = "file://"

// LocalPath is the absolute path behind a file:// location, such as /data/erasers for file:///data/erasers. Nothing is unescaped: the
// rest of the location is the path as the file system has it.
func LocalPath(uri string) (string, error) {
	path, ok := strings.CutPrefix(uri, fileScheme)
	if !ok || !filepath.IsAbs(path) {
		return "", fmt.Errorf("location %q is not of the form file:///absolute/path", uri)
	}
	return filepath.Clean(path), nil
}

// LocalURI is the location of an absolute path.
func LocalURI(path string) string { return fileScheme + path }
