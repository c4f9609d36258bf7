package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// digestPrefix begins every digest: "sha256:" and 64 hexadecimal digits.
const digestPrefix = "sha256:"

// Digest returns the digest of b.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return digestOfSum(hex.EncodeToString(sum[:]))
}

// Digester computes the digest of the bytes that are written to it. With io.TeeReader or io.MultiWriter it does so
// while a file is read or written.
type Digester struct {
	sum  hash.Hash
	size int64
}

// NewDigester returns a Digester of no bytes.
func NewDigester() *Digester { return &Digester{sum: sha256.New()} }

// Write adds b. It returns no error.
func (d *Digester) Write(b []byte) (int, error) {
	d.size += int64(len(b))
	return d.sum.Write(b)
}

// Digest returns the digest of the bytes that were written so far.
func (d *Digester) Digest() string { return digestOfSum(d.hex()) }

// File returns the entry, in a list of files, of a file that consists of the bytes that were written so far.
func (d *Digester) File(name string) File { return File{Name: name, Size: d.size, SHA256: d.hex()} }

func (d *Digester) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// Digest returns the digest of the file's content.
func (f File) Digest() string { return digestOfSum(f.SHA256) }

func digestOfSum(hexadecimal string) string { return digestPrefix + hexadecimal }

// isDigest reports whether s begins like a digest.
func isDigest(s string) bool { return strings.HasPrefix(s, digestPrefix) }
