package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/wire"
)

// Checkpoint is a checkpoint in memory.
type Checkpoint struct {
	Manifest wire.Manifest // Save computes Files and Roles: they may be empty
	Tensors  Tensors       // weights and statistics; in a resume checkpoint also slots and averages
	History  []wire.Report // the trial's reports so far
	Golden   []uint8       // in a best checkpoint the input images of Manifest.Golden
}

// sumFile holds the manifest's own digest in the format of sha256sum -c. FindResume reads it, because it gets no
// digest from its caller.
const sumFile = wire.ManifestFile + ".sha256"

// Prefixes of names in a store that are not final.
const (
	unfinishedPrefix = ".tmp-" // of a directory that is being written
	DiscardedPrefix  = ".old-" // of a directory or file that is being removed
)

// Writer writes the checkpoints of one pod. It is not safe for concurrent use.
type Writer struct {
	dir      string
	keepLast int
	pinned   func() string
	own      []ownCheckpoint // saved by this writer and not removed, from the oldest to the newest
}

// NewWriter creates the directory of a writer below uri and returns the Writer. keepLast is the number of resume
// checkpoints that RemoveOvertaken keeps. pinned, which may be nil, returns the uri of one more checkpoint to keep.
func NewWriter(uri, runUID, trial, writer string, keepLast int, pinned func() string) (*Writer, error) {
	root, err := wire.LocalPath(uri)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint store: %w", err)
	}
	dir := filepath.Join(root, wire.WriterDir(runUID, trial, writer))
	if err := MakeDir(dir); err != nil {
		return nil, fmt.Errorf("open checkpoint store: %w", err)
	}
	return &Writer{dir: dir, keepLast: keepLast, pinned: pinned}, nil
}

// Dir returns the writer's directory. No other writer writes there.
func (w *Writer) Dir() string { return w.dir }

// Save commits c and returns its reference. When Save has returned, the checkpoint is complete and on the disk, and
// survives a crash of the process or the machine.
func (w *Writer) Save(c Checkpoint) (wire.CheckpointRef, error) {
	name := directory(c.Manifest)
	ref, err := w.save(name, c)
	if err != nil {
		return wire.CheckpointRef{}, fmt.Errorf("save checkpoint %s: %w", filepath.Join(w.dir, name), err)
	}
	s := ownCheckpoint{name: name, uri: ref.URI, kind: c.Manifest.Kind}
	if c.Manifest.Kind == wire.CheckpointBest {
		s.rank = rank(c.Manifest)
	}
	if c.Manifest.Best != nil {
		s.best = c.Manifest.Best.Checkpoint.URI
	}
	w.own = append(w.own, s)
	return ref, nil
}

// directory returns the name of a checkpoint's directory in its writer's directory. The step in the name of a resume
// checkpoint includes skipped steps, so that no two checkpoints of a writer have the same name.
func directory(m wire.Manifest) string {
	if m.Kind == wire.CheckpointBest {
		return fmt.Sprintf("best-e%04d", m.Epoch)
	}
	return fmt.Sprintf("resume-e%04d-s%08d", m.Epoch, m.Step+int64(m.Skipped))
}

func (w *Writer) save(name string, c Checkpoint) (wire.CheckpointRef, error) {
	temp, final := filepath.Join(w.dir, unfinishedPrefix+name), filepath.Join(w.dir, name)
	if err := os.RemoveAll(temp); err != nil { // left by a Save that returned an error
		return wire.CheckpointRef{}, err
	}
	failpoint.Here("checkpoint.write.before")
	if err := os.Mkdir(temp, 0o755); err != nil {
		return wire.CheckpointRef{}, err
	}
	digest, err := writeFiles(temp, c)
	if err != nil {
		os.RemoveAll(temp) // the disk may be full: free the space for the next Save
		return wire.CheckpointRef{}, err
	}
	if err := Sync(temp); err != nil {
		return wire.CheckpointRef{}, err
	}
	failpoint.Here("checkpoint.rename.before")
	if err := os.Rename(temp, final); err != nil {
		return wire.CheckpointRef{}, err
	}
	failpoint.Here("checkpoint.rename.after")
	return wire.CheckpointRef{URI: wire.LocalURI(final), Digest: digest}, Sync(w.dir)
}

// writeFiles writes all files of c into dir, the manifest and its digest last, and returns the digest.
func writeFiles(dir string, c Checkpoint) (digest string, err error) {
	if err := c.Tensors.checkAverages(); err != nil {
		return "", err
	}
	m := c.Manifest
	m.Files, m.Roles = nil, map[string]string{}
	for _, t := range c.Tensors {
		m.Roles[t.Name] = t.Role
	}
	add := func(name string, write func(io.Writer) error) {
		if err == nil {
			var f wire.File
			f, err = writeFile(filepath.Join(dir, name), write)
			m.Files = append(m.Files, f)
		}
	}
	// Files are added in the order of their names.
	if m.Kind == wire.CheckpointBest {
		add(wire.GoldenFile, func(w io.Writer) error { _, err := w.Write(c.Golden); return err })
	}
	add(wire.HistoryFile, func(w io.Writer) error { return writeHistory(w, c.History) })
	if m.Kind == wire.CheckpointResume {
		add(wire.SlotsFile, func(w io.Writer) error { return writeTensors(w, c.Tensors.resumeOnly()) })
	}
	add(wire.WeightsFile, func(w io.Writer) error { return writeTensors(w, c.Tensors.raw()) })
	if err != nil {
		return "", err
	}
	if err := m.Validate(); err != nil {
		return "", fmt.Errorf("the manifest is not valid: %w", err)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", wire.ManifestFile, err)
	}
	f, err := writeFile(filepath.Join(dir, wire.ManifestFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return "", err
	}
	_, err = writeFile(filepath.Join(dir, sumFile), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s  %s\n", f.SHA256, wire.ManifestFile)
		return err
	})
	return f.Digest(), err
}

func writeHistory(w io.Writer, history []wire.Report) error {
	var b bytes.Buffer
	for _, r := range history {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode report %d: %w", r.Sequence, err)
		}
		b.Write(append(line, '\n'))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeFile writes and syncs one new file, and returns its entry for the manifest.
func writeFile(path string, write func(io.Writer) error) (wire.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return wire.File{}, err
	}
	defer f.Close() // a second Close, after the one below, does nothing
	if err := failpoint.Full("checkpoint.full"); err != nil {
		return wire.File{}, err
	}
	digester := wire.NewDigester()
	if err := write(io.MultiWriter(f, digester)); err != nil {
		return wire.File{}, fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return wire.File{}, err
	}
	failpoint.Here("checkpoint.file.after")
	return digester.File(filepath.Base(path)), f.Close()
}

// MakeDir creates dir and its missing parents, and syncs the parent of each: if a crash loses a directory, it also
// loses the checkpoints that were renamed into that directory.
func MakeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) { // another pod may have created it meanwhile
		return err
	}
	return Sync(parent)
}

// Sync writes a directory's entries, or a file's content, to the disk.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
