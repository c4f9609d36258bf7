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

// ReadStore reads every directory of a run that bears a checkpoint's final name, and verifies it against its own manifest.
func ReadStore(store, uid string) (out []Checkpoint, err error) {
	dirs, err := filepath.Glob(filepath.Join(store, uid, "*", "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || !strings.HasPrefix(name, "best-") && !strings.HasPrefix(name, "resume-") {
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
	f, err := os.Open(filepath.Join(dir, "reports.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("reports.jsonl: %w", err)
		}
		c.History = append(c.History, r)
	}
	return lines.Err()
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
