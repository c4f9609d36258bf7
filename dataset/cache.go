// The cache of packed pixels. Every attempt of every trial decodes the same images, and the result
// depends only on the set's digest and the image size. The cache keeps the result for the next attempt.
//
// A cache file is read into memory and not memory-mapped. A set has a few hundred MiB, which training
// holds in memory anyway, and the checksum needs every byte once. If another process truncated a mapped
// file, this process would be killed in the middle of a step. Several processes may write the same cache
// file at once: each writes its own temporary file, the last rename wins, and all files hold the same
// bytes.

package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Packed holds a set's pixels and says where they came from.
type Packed struct {
	Pixels  []uint8 // [len(Samples), size, size, channels]
	File    string  // the cache file that holds Pixels; "" when there is none
	Cached  bool    // true when Pixels were read from File and nothing was decoded
	Warning string  // why an existing cache file was not used, or why none was written; usually ""
}

// A cache file holds cacheMagic, the key, the sha256 of the pixels, and the pixels. The number of pixels
// follows from what the key covers.
const (
	cacheMagic  = "plumbline packed pixels\n"
	cacheHeader = len(cacheMagic) + 2*sha256.Size
)

// cacheVersion must be raised by every change of decoding or packing that gives other bytes for the same
// files. (A change of resizing gets another Resizer instead.)
const cacheVersion = 1

// staleAfter is the age at which a partial file counts as left behind by a killed process and is
// deleted. No disk takes an hour to write one cache file.
const staleAfter = time.Hour

// PackCached packs like Pack, and keeps the result in a cache file in dir for the next call. It creates
// dir when it does not exist. With dir "" it keeps nothing. A cache that cannot be read or written costs
// time but never changes the result; Warning then says why.
func (s *Set) PackCached(ctx context.Context, size int, dir string, progress func(done, total int)) (Packed, error) {
	if dir == "" {
		pixels, err := s.Pack(ctx, size, progress)
		return Packed{Pixels: pixels}, err
	}
	key := s.cacheKey(size)
	file := filepath.Join(dir, "packed-"+hex.EncodeToString(key[:16]))
	var warnings []string
	pixels, err := readPacked(ctx, file, key, len(s.Samples)*s.imageBytes(size))
	switch {
	case err == nil:
		touch(file)
		return Packed{Pixels: pixels, File: file, Cached: true}, nil
	case ctx.Err() != nil:
		return Packed{}, err
	case !errors.Is(err, fs.ErrNotExist):
		warning := fmt.Sprintf("the images were decoded again because the cache file %s %s", file, reasonOf(err))
		warnings = append(warnings, warning)
	}
	if pixels, err = s.Pack(ctx, size, progress); err != nil {
		return Packed{}, err
	}
	if err := writePacked(file, key, pixels); err != nil {
		warnings = append(warnings, fmt.Sprintf("the decoded images could not be cached: %s", err))
		file = ""
	}
	return Packed{Pixels: pixels, File: file, Warning: strings.Join(warnings, "; ")}, nil
}

// cacheKey returns a sum over everything that the packed bytes depend on. The data digest covers every
// image file and dataset.yaml, and with it the channels' order, the range of 16-bit data and the grid.
// The ids cover the order of the samples and the corrections that exclude one: an excluded sample is not
// packed. The key does not cover the labels or the other corrections. It covers Go's release, because
// Go's image decoders may give other bits in another release (1.26 changed the JPEG decoder).
func (s *Set) cacheKey(size int) [sha256.Size]byte {
	hash := sha256.New()
	fmt.Fprintf(hash, "packed %d\ngo %s\ndata %s\nresizer %s\nsize %d\n",
		cacheVersion, runtime.Version(), s.Digests.Data, Resizer, size)
	for _, sample := range s.Samples {
		fmt.Fprintf(hash, "%s\n", sample.ID)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// reasonOf completes a sentence that starts with the file's name.
func reasonOf(err error) string {
	if u := unfit(""); errors.As(err, &u) {
		return err.Error()
	}
	return fmt.Sprintf("cannot be read: %s", err)
}

// readPacked reads the want pixel bytes of a cache file that must have this key.
func readPacked(ctx context.Context, file string, key [sha256.Size]byte, want int) ([]uint8, error) {
	f, size, err := openFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return unpack(ctx, f, size, key, want)
}

// unpack reads a cache file of length bytes. It checks the magic, the key, the length and the checksum
// before it returns the pixels.
func unpack(ctx context.Context, r io.Reader, length int64, key [sha256.Size]byte, want int) ([]uint8, error) {
	header := make([]byte, cacheHeader)
	if _, err := io.ReadFull(r, header); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	rest, ours := bytes.CutPrefix(header, []byte(cacheMagic))
	switch {
	case !ours:
		return nil, unfit("holds no packed images")
	case !bytes.Equal(rest[:sha256.Size], key[:]):
		return nil, unfit("was made from other images, or for another size or version")
	case length != int64(cacheHeader+want):
		return nil, unfit(fmt.Sprintf("has %d bytes instead of %d", length, cacheHeader+want))
	}
	pixels := make([]uint8, want)
	sum := sha256.New()
	for remaining := pixels; len(remaining) > 0; {
		part := remaining[:min(len(remaining), 1<<20)] // 1 MiB is hashed while it is still in the processor's cache
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, err
		}
		sum.Write(part)
		remaining = remaining[len(part):]
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if !bytes.Equal(sum.Sum(nil), rest[sha256.Size:]) {
		return nil, unfit("is damaged: its checksum does not match")
	}
	return pixels, nil
}

// writePacked writes a cache file. The file appears complete or not at all, because it is written under
// a temporary name and renamed.
func writePacked(file string, key [sha256.Size]byte, pixels []uint8) (err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	partial, err := os.CreateTemp(dir, "."+filepath.Base(file)+".partial-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(partial.Name()))
		}
	}()
	defer partial.Close() // for the error paths; after success it is already closed
	removeStale(partial)
	sum := sha256.Sum256(pixels)
	header := append(append([]byte(cacheMagic), key[:]...), sum[:]...)
	for _, part := range [][]byte{header, pixels} {
		if _, err := partial.Write(part); err != nil {
			return err
		}
	}
	// Pods of other users may share the cache, so everybody may read the file.
	if err := errors.Join(partial.Chmod(0o644), partial.Sync(), partial.Close()); err != nil {
		return err
	}
	return os.Rename(partial.Name(), file)
}

// touch sets a cache file's modification time to now, because `plumb prune` deletes files that no trial has used for a
// while. An error is ignored: a file that is pruned too early is only decoded again.
func touch(file string) {
	now := time.Now()
	_ = os.Chtimes(file, now, now)
}

// removeStale deletes the partial files that killed processes left beside fresh. It compares their
// modification times with that of fresh, which was just created, so that only the file system's clock
// matters. Errors are ignored: another process may delete the same file first, and nothing depends on
// the deletion.
func removeStale(fresh *os.File) {
	now, err := fresh.Stat()
	if err != nil {
		return
	}
	dir := filepath.Dir(fresh.Name())
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if ours, _ := filepath.Match(".packed-*.partial-*", entry.Name()); !ours {
			continue
		}
		if info, err := entry.Info(); err == nil && now.ModTime().Sub(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}
