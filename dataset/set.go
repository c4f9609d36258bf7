// Loading a set: settings, labels and corrections are read, every image file's
// bytes go through a digest, and no pixel is decoded yet.

package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Set is one data set as it lies on disk, with its corrections applied.
type Set struct {
	Dir     string
	Config  Config
	Samples []Sample // in the order of labels.csv, without the excluded
	Digests Digests

	rows        []Sample // every sample of labels.csv
	overlay     string   // the corrections' file; "" when there is none
	corrections []Correction
	files       map[string]string // by sample id: the digest of the files that show it
}

// Digests tell whether two trials learned from the same thing. Each is
// "sha256:" and 64 hexadecimal digits.
type Digests struct {
	Data    string `json:"data"`              // dataset.yaml and every image file's bytes; with a grid also who is in which cell
	Labels  string `json:"labels"`            // labels.csv's bytes
	Overlay string `json:"overlay,omitempty"` // the corrections' bytes; "" without corrections
}

// Load reads the set in dir. overlay names a corrections file that takes the
// place of the one in dataset.yaml; "" leaves that one in force. A set with
// faults is a *ProblemsError that holds all of them; images that are there but
// cannot be decoded are found by Pack and Check. progress may be nil; it counts
// photographs, as Pack's does.
func Load(ctx context.Context, dir, overlay string, progress func(done, total int)) (*Set, error) {
	s, ps, err := read(dir, overlay)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, ps.err()
	}
	photos := s.photographs(s.rows)
	digests := make([]string, len(photos))
	found, err := each(ctx, len(photos), progress, func(i int) (problems, error) {
		digest, found, err := s.digest(photos[i])
		digests[i] = digest
		return found, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the images of %s: %w", dir, err)
	}
	ps = append(ps, found...)
	ps = append(ps, s.copies(photos, digests)...)
	ps = append(ps, s.seal(photos, digests)...)
	if err := ps.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// read takes in everything but the images. The set is nil when the problems
// leave nothing to go on with.
func read(dir, overlay string) (*Set, problems, error) {
	var ps problems
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		ps.addf(dir, 0, "there is no data set: no such directory")
		return nil, ps, nil
	}
	s := &Set{Dir: dir}
	configFile := filepath.Join(dir, ConfigFile)
	text, err := readText(configFile, &ps)
	if err != nil || text == nil {
		return nil, ps, err
	}
	config, found := parseConfig(configFile, text)
	if ps = append(ps, found...); len(ps) > 0 {
		return nil, ps, nil
	}
	s.Config = config
	s.Digests.Data = digestOf(text) // seal adds the images

	text, err = readText(s.labelsFile(), &ps)
	if err != nil || text == nil {
		return nil, ps, err
	}
	s.rows, found = parseLabels(s.labelsFile(), text)
	ps = append(ps, found...)
	s.rows, found = config.placed(s.labelsFile(), s.rows)
	ps = sorted(append(ps, found...))
	labelsRead := len(ps) == 0
	s.Samples = slices.Clone(s.rows)
	s.Digests.Labels = digestOf(text)

	if s.overlay = overlay; overlay == "" && config.Corrections != "" {
		s.overlay = filepath.Join(dir, config.Corrections)
	}
	if s.overlay != "" {
		text, err = readText(s.overlay, &ps)
		if err != nil || text == nil {
			return s, ps, err
		}
		s.corrections, found = parseCorrections(s.overlay, text)
		ps = append(ps, found...)
		if labelsRead { // else a correction for a faulty line would seem to be for nobody
			s.Samples, found = correct(s.overlay, s.rows, s.corrections)
			ps = append(ps, found...)
		}
		s.Digests.Overlay = digestOf(text)
	}
	return s, append(ps, s.oneClass()...), nil
}

// oneClass: with a single class there is nothing to tell apart.
func (s *Set) oneClass() problems {
	var ps problems
	if len(s.Samples) == 0 {
		if len(s.rows) > 0 {
			ps.addf(s.overlay, 0, "excludes every sample of the set")
		}
		return ps
	}
	for _, sample := range s.Samples {
		if sample.Label != s.Samples[0].Label {
			return nil
		}
	}
	ps.addf(s.labelsFile(), s.Samples[0].Line, "all %d samples are %s; training needs some that are %s",
		len(s.Samples), s.Samples[0].Label, 1-s.Samples[0].Label)
	return ps
}

// seal finishes the digests once every photograph's own is known, and holds the
// corrections against them.
func (s *Set) seal(photos []photograph, digests []string) problems {
	s.files = make(map[string]string, len(s.rows))
	byID := make(map[string]string, len(s.rows))
	lines := make([]string, 0, len(s.rows))
	for n, photo := range photos {
		for _, i := range photo.samples {
			sample := s.rows[i]
			s.files[sample.ID] = digests[n]
			byID[sample.ID] = s.sampleDigest(sample, digests[n])
			lines = append(lines, sample.ID+" "+byID[sample.ID]+"\n")
		}
	}
	slices.Sort(lines) // by id: the order of labels.csv is no property of the images
	s.Digests.Data = digestOf([]byte(s.Digests.Data + "\n" + strings.Join(lines, "")))
	return matchDigests(s.overlay, s.corrections, byID)
}

// digest streams a photograph's channel files, one after the other in the set's
// order, through sha256. The digest is "" when there are problems.
func (s *Set) digest(photo photograph) (string, problems, error) {
	var ps problems
	hash := sha256.New()
	for _, channel := range s.Config.Channels {
		file := s.imageFile(photo.first, channel)
		if err := copyFile(hash, file, maxImageBytes, func(int64) {}); err != nil {
			reason, err := faultOf(err)
			if err != nil {
				return "", nil, err
			}
			ps.addf(s.labelsFile(), photo.first.Line, "%s: %s %s", s.title(photo), file, reason)
		}
	}
	if len(ps) > 0 {
		return "", ps, nil
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil, nil
}

func (s *Set) labelsFile() string { return filepath.Join(s.Dir, s.Config.Labels) }

// readText reads one of the set's text files; nil text and no error when a
// problem says why there is none.
func readText(file string, ps *problems) ([]byte, error) {
	text, err := readFile(file, maxTextBytes)
	if err == nil {
		return text, nil
	}
	reason, err := faultOf(err)
	if err != nil {
		return nil, fmt.Errorf("read data set: %w", err)
	}
	ps.addf(file, 0, "%s", reason)
	return nil, nil
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
