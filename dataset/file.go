// Reading files that anybody may have put there. Reading a pipe or /dev/zero would never end, so only
// regular files are opened, and no more bytes are read than a file of its kind can need.

package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

const (
	// maxImageBytes bounds an image file: the largest image that decode accepts, with four colours of 16
	// bits and without compression, and 1 MiB for everything else, 513 MiB together.
	maxImageBytes = 8*maxPixels + 1<<20
	// maxTextBytes bounds dataset.yaml, a table or a list: 256 MiB, which is millions of lines.
	maxTextBytes = 1 << 28
)

// unfit says why a file cannot be used. It completes a sentence that starts with the file's name: "is a
// directory, not a file".
type unfit string

func (u unfit) Error() string { return string(u) }

// openFile opens a regular file and returns its size in bytes.
func openFile(file string) (*os.File, int64, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, 0, err
	case info.IsDir():
		return nil, 0, unfit("is a directory, not a file")
	case !info.Mode().IsRegular():
		return nil, 0, unfit("is a pipe, a device or another special file, not a regular file")
	}
	f, err := os.Open(file)
	return f, info.Size(), err
}

// copyFile copies a file of at most limit bytes. It calls size with the file's size before it copies.
func copyFile(to io.Writer, file string, limit int64, size func(int64)) error {
	f, n, err := openFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if n <= limit {
		size(n)
		// The file may grow while it is copied, and a file in /proc has size 0 but is not empty.
		n, err = io.Copy(to, io.LimitReader(f, limit+1))
	}
	if err == nil && n > limit {
		return unfit(fmt.Sprintf("has %d bytes or more; the limit for this kind of file is %d", n, limit))
	}
	return err
}

// readFile returns the content of a file of at most limit bytes.
func readFile(file string, limit int64) ([]byte, error) {
	var b bytes.Buffer
	err := copyFile(&b, file, limit, func(n int64) { b.Grow(int(n) + bytes.MinRead) })
	return b.Bytes(), err
}

// problemOf returns the text for an error that is a problem of the set. The text completes a sentence that starts with
// the file's name. It returns any other error, which may be temporary, as an error.
func problemOf(err error) (string, error) {
	var u unfit
	switch {
	case errors.As(err, &u):
		return u.Error(), nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "is missing", nil
	case errors.Is(err, fs.ErrPermission):
		return "cannot be read: permission denied", nil
	}
	return "", err
}
