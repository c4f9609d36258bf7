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

// ErrDamaged reports that a checkpoint exists but is no longer what was written.
var ErrDamaged = errors.New("damaged checkpoint")

// Load reads a checkpoint and verifies every byte: the manifest against ref, and the files against the manifest. The
// error is ErrDamaged, or fs.ErrNotExist if there is no such directory, or another error of the file system.
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

// load reads the checkpoint in dir, whose manifest must have this digest.
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

// readManifest reads the manifest in dir and checks that it has this digest, which has the form sha256:hex.
func readManifest(dir, digest string) (wire.Manifest, error) {
	if _, err := os.Stat(dir); err != nil {
		return wire.Manifest{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, wire.ManifestFile))
	if err != nil {
		return wire.Manifest{}, damagedIfMissing(err)
	}
	if got := wire.Digest(text); got != digest {
		return wire.Manifest{}, fmt.Errorf("%w: %s has the digest %s, not %s",
			ErrDamaged, wire.ManifestFile, got, digest)
	}
	m, err := wire.DecodeManifest(text)
	if err != nil {
		return wire.Manifest{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, nil
}

// readVerified calls read with the content of a file, and then compares the content's size and digest with the
// manifest's. A caller must not use what read has made of the content if readVerified returns an error.
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
	if isTransient(errRead) { // the file itself may be undamaged
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

// readFile reads one of the checkpoint's files. It ignores a file that this release does not know: readVerified still
// verifies that file.
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

// checkComplete returns an error if the files lack something that the manifest describes: a manifest may list too few
// files.
func (c Checkpoint) checkComplete() error {
	if len(c.Tensors) != len(c.Manifest.Roles) {
		return fmt.Errorf("%w: it has %d tensors, but its manifest lists %d",
			ErrDamaged, len(c.Tensors), len(c.Manifest.Roles))
	}
	if err := c.Tensors.checkAverages(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	in := c.Manifest.Input
	if want := len(c.Manifest.Golden) * in.Size * in.Size * len(in.Channels); len(c.Golden) != want {
		return fmt.Errorf("%w: %s has %d bytes, but the inputs of %d predictions have %d",
			ErrDamaged, wire.GoldenFile, len(c.Golden), len(c.Manifest.Golden), want)
	}
	return nil
}

// merge returns the tensors of two files, each ordered by name, in one order by name, and sets their roles.
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

// RefOf returns the reference of the checkpoint in a local directory. Its digest is the one that was recorded when
// the manifest was written: RefOf does not verify it, Load does.
func RefOf(dir string) (wire.CheckpointRef, error) {
	if _, err := os.Stat(dir); err != nil {
		return wire.CheckpointRef{}, fmt.Errorf("read checkpoint: %w", err)
	}
	digest, err := recordedDigest(dir)
	if err != nil {
		return wire.CheckpointRef{}, fmt.Errorf("read checkpoint %s: %w", dir, err)
	}
	return wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: digest}, nil
}

// recordedDigest returns the digest that was recorded in sumFile when the manifest was written.
func recordedDigest(dir string) (string, error) {
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

// damagedIfMissing makes fs.ErrNotExist an ErrDamaged as well: the checkpoint's directory exists, so a missing file
// is damage. Other errors are returned unchanged.
func damagedIfMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
