package judge

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ReadStore returns every directory of a run whose name is that of a committed checkpoint, each verified against its
// own manifest.
func ReadStore(store, uid string) (out []Checkpoint, err error) {
	dirs, err := filepath.Glob(filepath.Join(store, uid, "*", "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		if !strings.HasPrefix(name, "best-") && !strings.HasPrefix(name, "resume-") {
			continue
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		rel, err := filepath.Rel(store, dir)
		if err != nil {
			return nil, err
		}
		c := Checkpoint{Dir: rel, Files: map[string]string{}}
		if err := c.read(dir); err != nil {
			c.Damage = err.Error()
		}
		out = append(out, c)
	}
	return out, nil
}

// read fills in c from dir. Its error says how the directory differs from its manifest, or that it cannot be read.
func (c *Checkpoint) read(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	c.Digest = "sha256:" + hex.EncodeToString(sum[:])
	var m struct {
		Kind, Trial, Writer string
		Epoch               int
		Files               []struct{ Name, SHA256 string }
		Best                struct{ Checkpoint Ref }
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	c.Kind, c.Trial, c.Writer, c.Epoch, c.Best = m.Kind, m.Trial, m.Writer, m.Epoch, m.Best.Checkpoint.URI
	for _, f := range m.Files {
		got, err := digestOf(filepath.Join(dir, f.Name))
		if err != nil {
			return err
		}
		if got != f.SHA256 {
			return fmt.Errorf("%s has digest %.8s, the manifest says %.8s", f.Name, got, f.SHA256)
		}
		c.Files[f.Name] = got
	}
	if m.Kind != "resume" {
		return nil
	}
	c.History, err = readReports(filepath.Join(dir, "reports.jsonl"))
	return err
}

// readReports reads the report history of a checkpoint. With an error it returns the reports before the line that
// cannot be read.
func readReports(file string) (history []Report, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return history, fmt.Errorf("reports.jsonl: %w", err)
		}
		history = append(history, r)
	}
	return history, lines.Err()
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
