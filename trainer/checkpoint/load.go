package checkpoint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// ErrDamaged says that a checkpoint is there and is not what was written.
var ErrDamaged = errors.New("damaged checkpoint")

// Load reads a checkpoint and verifies every byte of it: the manifest against ref, the files against the manifest. An error is
// ErrDamaged, fs.ErrNotExist when there is no such directory, or one of the file system.
func Load(ref wire.CheckpointRef) (Checkpoint, error) {
	dir, err := wire.LocalPath(ref.URI)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("load checkpoint: %w", err)
	}
	c, err := load(dir, ref.Digest)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("load checkpoint %s: %w", dir, err)
	}
	return c, nil
}

func load(dir, digest string) (Checkpoint, error) {
	m, err := readManifest(dir, digest)
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Manifest: m}
	for _, f := range m.Files {
		if err := readVerified(dir, f, func(r io.Reader) error { return c.readFile(f, r) }); err != nil {
			return Checkpoint{}, err
		}
	}
	return c, c.checkComplete()
}

// readManifest reads the manifest and checks that it has this digest, of the form sha256:hex.
func readManifest(dir, digest string) (wire.Manifest, error) {
	if _, err := os.Stat(dir); err != nil {
		return wire.Manifest{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, wire.ManifestFile))
	if err != nil {
		return wire.Manifest{}, damagedIfMissing(err)
	}
	if got := wire.Digest(text); got != digest {
		return wire.Manifest{}, fmt.Errorf("%w: %s has the digest %s, not %s", ErrDamaged, wire.ManifestFile, got, digest)
	}
	m, err := wire.DecodeManifest(text)
	if err != nil {
		return wire.Manifest{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, nil
}

// readVerified gives a file's content to read and then compares what went through with what the manifest says. What read makes
// of a damaged file is thrown away with the error.
func readVerified(dir string, want wire.File, read func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(dir, want.Name))
	if err != nil {
		return damagedIfMissing(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != want.Size {
		return fmt.Errorf("%w: %s has %d bytes, not %d", ErrDamaged, want.Name, info.Size(), want.Size)
	}
	digester := wire.NewDigester()
	through := io.TeeReader(f, digester)
	errRead := read(through)
	if isTransient(errRead) { // reading on may go well again, and the file be what was written
		return fmt.Errorf("read %s: %w", want.Name, errRead)
	}
	if _, err := io.Copy(io.Discard, through); err != nil {
		return fmt.Errorf("read %s: %w", want.Name, err)
	}
	if got := digester.File(want.Name); got.SHA256 != want.SHA256 {
		return fmt.Errorf("%w: %s has the sha256 %s, not %s", ErrDamaged, want.Name, got.SHA256, want.SHA256)
	}
	if errRead != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, want.Name, errRead)
	}
	return nil
}

// readFile reads one of a checkpoint's files. One that this release does not know is verified and left aside.
func (c *Checkpoint) readFile(f wire.File, r io.Reader) (err error) {
	switch f.Name {
	case wire.WeightsFile, wire.SlotsFile:
		ts, err := readTensors(r, f.Size)
		if err != nil {
			return err
		}
		c.Tensors, err = merge(c.Tensors, ts, c.Manifest.Roles)
		return err
	case wire.HistoryFile:
		c.History, err = readHistory(r)
		return err
	case wire.GoldenFile:
		c.Golden, err = io.ReadAll(r)
		return err
	}
	return nil
}

// checkComplete: a manifest may list too little.
func (c Checkpoint) checkComplete() error {
	if len(c.Tensors) != len(c.Manifest.Roles) {
		return fmt.Errorf("%w: it holds %d tensors, its manifest names %d", ErrDamaged, len(c.Tensors), len(c.Manifest.Roles))
	}
	if err := c.Tensors.checkAverages(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	in := c.Manifest.Input
	if want := len(c.Manifest.Golden) * in.Size * in.Size * len(in.Channels); len(c.Golden) != want {
		return fmt.Errorf("%w: %s has %d bytes, %d predictions need %d", ErrDamaged, wire.GoldenFile, len(c.Golden), len(c.Manifest.Golden), want)
	}
	return nil
}

// merge joins two files' tensors, both ordered by name, and gives each its role.
func merge(a, b Tensors, roles map[string]string) (Tensors, error) {
	all := make(Tensors, 0, len(a)+len(b))
	for len(a)+len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && b[0].Name < a[0].Name {
			from = &b
		}
		t := (*from)[0]
		*from = (*from)[1:]
		if t.Role = roles[t.Name]; t.Role == "" {
			return nil, fmt.Errorf("tensor %s has no role in the manifest", t.Name)
		}
		all = append(all, t)
	}
	return all, all.check()
}

func readHistory(r io.Reader) ([]wire.Report, error) {
	var history []wire.Report
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return history, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		report, err := wire.DecodeHistory(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		history = append(history, report)
	}
}

// Stated is the reference of the checkpoint in a local directory, with the digest that its manifest was written with.
func Stated(dir string) (wire.CheckpointRef, error) {
	if _, err := os.Stat(dir); err != nil {
		return wire.CheckpointRef{}, fmt.Errorf("look at checkpoint: %w", err)
	}
	digest, err := statedDigest(dir)
	if err != nil {
		return wire.CheckpointRef{}, fmt.Errorf("look at checkpoint %s: %w", dir, err)
	}
	return wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: digest}, nil
}

// statedDigest is the digest of the manifest that was noted when it was written.
func statedDigest(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, sumFile))
	if err != nil {
		return "", damagedIfMissing(err)
	}
	sum, name, _ := strings.Cut(string(bytes.TrimSpace(text)), "  ")
	if name != wire.ManifestFile {
		return "", fmt.Errorf("%w: %s does not name %s", ErrDamaged, sumFile, wire.ManifestFile)
	}
	return wire.File{Name: name, SHA256: sum}.Digest(), nil
}

// damagedIfMissing: the directory is there, so a file that is not makes it a damaged one.
func damagedIfMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
