// Packed pixels kept between starts. Decoding is the same work in every attempt
// of every trial, and its result follows from the set's digest and the size.
//
// A cache's file is read into memory and not mapped: a set is a few hundred MiB,
// which training holds in memory anyway, its checksum needs every byte once, and
// a file that is cut short behind a mapping would kill the process in the middle
// of a step. Several processes may make the same file at once: each writes its
// own under a temporary name, the last to rename wins, and all hold the same bytes.

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

// Packed is a set's pixels and how they were come by.
type Packed struct {
	Pixels  []uint8 // [len(Samples), size, size, channels]
	File    string  // that holds them in the cache; "" when none does
	Cached  bool    // they were read from File, and nothing was decoded
	Warning string  // why a file that was there was made anew, or why there is none; mostly ""
}

// The file: magic, key, sha256 of the pixels, pixels. How many there must be
// follows from what the key covers.
const (
	cacheMagic  = "plumbline packed pixels\n"
	cacheHeader = len(cacheMagic) + 2*sha256.Size
)

// cacheVersion is raised when decoding or packing comes to give other bytes for
// the same files. (When resizing does, Resizer changes.)
const cacheVersion = 1

// staleAfter is when the half of a file that a killed process left behind is
// taken away: no disk takes an hour over one that is still being written.
const staleAfter = time.Hour

// PackCached is Pack with a directory that keeps what it made; it is made where
// it is not there, and with "" nothing is kept. A cache that cannot be read or
// written costs time and never the result: Warning says what was wrong with it.
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
		warnings = append(warnings, fmt.Sprintf("the images were decoded again, as the cache %s %s", file, reasonOf(err)))
	}
	if pixels, err = s.Pack(ctx, size, progress); err != nil {
		return Packed{}, err
	}
	if err := writePacked(file, key, pixels); err != nil {
		warnings = append(warnings, fmt.Sprintf("the decoded images are not kept: %s", err))
		file = ""
	}
	return Packed{Pixels: pixels, File: file, Warning: strings.Join(warnings, "; ")}, nil
}

// cacheKey covers all that the packed bytes follow from. The data digest covers
// every image file and dataset.yaml: the channels' order, the range of 16-bit
// data, the grid. Labels are not in it, nor corrections, but for those that
// exclude: an excluded sample is not packed. Go's release is, because its image
// decoders are not bound to give the same bits for ever (1.26 changed JPEG's).
func (s *Set) cacheKey(size int) [sha256.Size]byte {
	hash := sha256.New()
	fmt.Fprintf(hash, "packed %d\ngo %s\ndata %s\nresizer %s\nsize %d\n", cacheVersion, runtime.Version(), s.Digests.Data, Resizer, size)
	for _, sample := range s.Samples {
		fmt.Fprintf(hash, "%s\n", sample.ID)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// reasonOf continues a sentence that begins with the file's name.
func reasonOf(err error) string {
	if u := unfit(""); errors.As(err, &u) {
		return err.Error()
	}
	return fmt.Sprintf("cannot be read: %s", err)
}

// readPacked reads a cache's file of so many pixels.
func readPacked(ctx context.Context, file string, key [sha256.Size]byte, want int) ([]uint8, error) {
	f, size, err := openFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return unpack(ctx, f, size, key, want)
}

// unpack believes nothing in a cache's file that it can check.
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
		return nil, unfit("is that of other images, or of another size or version")
	case length != int64(cacheHeader+want):
		return nil, unfit(fmt.Sprintf("has %d bytes instead of %d", length, cacheHeader+want))
	}
	pixels := make([]uint8, want)
	sum := sha256.New()
	for left := pixels; len(left) > 0; {
		part := left[:min(len(left), 1<<20)] // small enough to be hashed out of the processor's cache
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, err
		}
		sum.Write(part)
		left = left[len(part):]
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if !bytes.Equal(sum.Sum(nil), rest[sha256.Size:]) {
		return nil, unfit("is damaged: its checksum does not match")
	}
	return pixels, nil
}

// writePacked puts a cache's file in place, whole or not at all.
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
	defer partial.Close() // after success: closed already
	removeStale(partial)
	sum := sha256.Sum256(pixels)
	header := append(append([]byte(cacheMagic), key[:]...), sum[:]...)
	for _, part := range [][]byte{header, pixels} {
		if _, err := partial.Write(part); err != nil {
			return err
		}
	}
	// Other users' pods may share the cache.
	if err := errors.Join(partial.Chmod(0o644), partial.Sync(), partial.Close()); err != nil {
		return err
	}
	return os.Rename(partial.Name(), file)
}

// touch says when a cache was used last: what nobody uses is pruned. Where it may not be touched it is decoded again one day.
func touch(file string) {
	now := time.Now()
	_ = os.Chtimes(file, now, now)
}

// removeStale takes away what killed processes left half written. It goes by the
// file system's clock, of which the new file has just been told. Errors are let
// be: somebody else may be quicker, and nothing depends on it.
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
