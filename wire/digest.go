package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// digestPrefix is the beginning of every digest; 64 hexadecimal digits follow it.
const digestPrefix = "sha256:"

// Digest returns the digest of b.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return digestOfSum(hex.EncodeToString(sum[:]))
}

// Digester computes the digest of the bytes that are written to it. Use it with io.TeeReader or io.MultiWriter to
// compute the digest of a file while the file is read or written.
type Digester struct {
	sum  hash.Hash
	size int64
}

// NewDigester returns a Digester to which nothing has been written.
func NewDigester() *Digester { return &Digester{sum: sha256.New()} }

// Write adds b. It never returns an error.
func (d *Digester) Write(b []byte) (int, error) {
	d.size += int64(len(b))
	return d.sum.Write(b)
}

// Digest returns the digest of the bytes that were written so far.
func (d *Digester) Digest() string { return digestOfSum(d.hex()) }

// File returns an entry for Manifest.Files: the name, and the size and digest of the bytes that were written so far.
func (d *Digester) File(name string) File { return File{Name: name, Size: d.size, SHA256: d.hex()} }

func (d *Digester) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// Digest returns the digest of the file's content.
func (f File) Digest() string { return digestOfSum(f.SHA256) }

func digestOfSum(hexadecimal string) string { return digestPrefix + hexadecimal }

// isDigest reports whether s begins as a digest does. It does not check the digits.
func isDigest(s string) bool { return strings.HasPrefix(s, digestPrefix) }
