// Reading files that somebody else put there. A pipe never ends and neither does
// /dev/zero, so what is no regular file is refused before it is opened, and no
// more is read of one than its kind can need.

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
	// maxImageBytes of one image file: the largest image that decode takes, four
	// channels of 16 bits and not compressed, and 1 MiB for all else: 513 MiB.
	maxImageBytes = 8*maxPixels + 1<<20
	// maxTextBytes of dataset.yaml, a table or a list: 256 MiB, millions of lines.
	maxTextBytes = 1 << 28
)

// unfit is what makes a file no use: words that go on after its name.
type unfit string

func (u unfit) Error() string { return string(u) }

// openFile opens a regular file, and says how large it is.
func openFile(file string) (*os.File, int64, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, 0, err
	case info.IsDir():
		return nil, 0, unfit("is a directory, not a file")
	case !info.Mode().IsRegular():
		return nil, 0, unfit("is a pipe, a device or the like, not a file")
	}
	f, err := os.Open(file)
	return f, info.Size(), err
}

// copyFile copies a file of at most limit bytes. size is told before the first.
func copyFile(to io.Writer, file string, limit int64, size func(int64)) error {
	f, n, err := openFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if n <= limit {
		size(n)
		n, err = io.Copy(to, io.LimitReader(f, limit+1)) // it may grow meanwhile
	}
	if err == nil && n > limit {
		return unfit(fmt.Sprintf("has %d bytes or more; a file of its kind has at most %d", n, limit))
	}
	return err
}

func readFile(file string, limit int64) ([]byte, error) {
	var b bytes.Buffer
	err := copyFile(&b, file, limit, func(n int64) { b.Grow(int(n) + bytes.MinRead) })
	return b.Bytes(), err
}

// faultOf tells what is the set's fault (words) from what may pass (an error).
func faultOf(err error) (string, error) {
	var u unfit
	switch {
	case errors.As(err, &u):
		return u.Error(), nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "is missing", nil
	case errors.Is(err, fs.ErrPermission):
		return "may not be read: permission denied", nil
	}
	return "", err
}
