// Loading a set: dataset.yaml, the labels and the corrections are read, and every image file's bytes
// are hashed. No pixel is decoded yet.

package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"plumbline.dev/plumbline/wire"
)

// Set is one data set on disk, with its corrections applied.
type Set struct {
	Dir     string
	Config  Config
	Samples []Sample // in the order of labels.csv, without the excluded samples
	Digests Digests

	listed          []Sample // every sample of labels.csv, also the excluded ones
	correctionsFile string   // "" when the set has no corrections
	corrections     []Correction
	fileDigests     map[string]string // by sample id: the digest of the image files that show the sample
}

// Load reads the set in dir. overlay names a corrections file that replaces the one in dataset.yaml;
// "" uses the one in dataset.yaml. A set with problems returns a *ProblemsError that holds all of them,
// except images that cannot be decoded: Pack and Check find those. progress may be nil; it counts
// samples, or with a grid packages.
func Load(ctx context.Context, dir, overlay string, progress func(done, total int)) (*Set, error) {
	s, ps, err := readTables(dir, overlay)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, ps.err()
	}
	captures := s.captures(s.listed)
	digests := make([]string, len(captures))
	found, err := each(ctx, len(captures), progress, func(i int) (problems, error) {
		digest, found, err := s.hashFiles(captures[i])
		digests[i] = digest
		return found, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the images of %s: %w", dir, err)
	}
	ps = append(ps, found...)
	ps = append(ps, s.findCopies(captures, digests)...)
	ps = append(ps, s.finishDigests(captures, digests)...)
	if err := ps.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// readTables reads everything but the images: dataset.yaml, the labels and the corrections. The set is
// nil when the problems leave nothing that could be checked further.
func readTables(dir, overlay string) (*Set, problems, error) {
	var ps problems
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		ps.addf(dir, 0, "there is no data set: no such directory")
		return nil, ps, nil
	}
	s := &Set{Dir: dir}
	if ok, err := s.readConfig(&ps); !ok {
		return nil, ps, err
	}
	if ok, err := s.readLabels(&ps); !ok {
		return nil, ps, err
	}
	if s.correctionsFile = overlay; overlay == "" && s.Config.Corrections != "" {
		s.correctionsFile = filepath.Join(dir, s.Config.Corrections)
	}
	if s.correctionsFile != "" {
		if ok, err := s.readCorrections(&ps); !ok {
			return s, ps, err
		}
	}
	return s, append(ps, s.checkClasses()...), nil
}

// readConfig reads dataset.yaml. It adds its problems to ps, and reports whether the configuration can be
// used.
func (s *Set) readConfig(ps *problems) (ok bool, err error) {
	file := filepath.Join(s.Dir, ConfigFile)
	text, err := readText(file, ps)
	if err != nil || text == nil {
		return false, err
	}
	config, found := parseConfig(file, text)
	if *ps = append(*ps, found...); len(*ps) > 0 {
		return false, nil
	}
	s.Config = config
	s.Digests.Data = wire.Digest(text) // finishDigests adds the images
	return true, nil
}

// readLabels reads the labels. It adds its problems to ps, and reports whether there is a file of labels
// that could be read; the labels may have problems nevertheless.
func (s *Set) readLabels(ps *problems) (ok bool, err error) {
	text, err := readText(s.labelsFile(), ps)
	if err != nil || text == nil {
		return false, err
	}
	var unparsed, misplaced problems
	s.listed, unparsed = parseLabels(s.labelsFile(), text)
	s.listed, misplaced = s.Config.checkLayout(s.labelsFile(), s.listed)
	*ps = sorted(slices.Concat(*ps, unparsed, misplaced))
	s.Samples = slices.Clone(s.listed)
	s.Digests.Labels = wire.Digest(text)
	return true, nil
}

// readCorrections reads the corrections and applies them. ps has the problems of the labels; it adds its
// own to them, and reports whether the file could be read.
func (s *Set) readCorrections(ps *problems) (ok bool, err error) {
	labelsHaveProblems := len(*ps) > 0
	text, err := readText(s.correctionsFile, ps)
	if err != nil || text == nil {
		return false, err
	}
	var found problems
	s.corrections, found = parseCorrections(s.correctionsFile, text)
	*ps = append(*ps, found...)
	// parseLabels leaves out a line with a problem. The correction of that sample would then be reported
	// as one of an unknown sample, so corrections are applied only to labels without problems.
	if !labelsHaveProblems {
		s.Samples, found = applyCorrections(s.correctionsFile, s.listed, s.corrections)
		*ps = append(*ps, found...)
	}
	s.Digests.Overlay = wire.Digest(text)
	return true, nil
}

// checkClasses refuses a set without samples of both classes: a network cannot learn from one class.
func (s *Set) checkClasses() problems {
	var ps problems
	if len(s.Samples) == 0 {
		if len(s.listed) > 0 {
			ps.addf(s.correctionsFile, 0, "excludes every sample of the set")
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

func (s *Set) labelsFile() string { return filepath.Join(s.Dir, s.Config.Labels) }

// readText reads one of the set's text files. It returns nil text and a nil error when it has added a
// problem that says why the file cannot be read.
func readText(file string, ps *problems) ([]byte, error) {
	text, err := readFile(file, maxTextBytes)
	if err == nil {
		return text, nil
	}
	reason, err := problemOf(err)
	if err != nil {
		return nil, fmt.Errorf("read data set: %w", err)
	}
	ps.addf(file, 0, "%s", reason)
	return nil, nil
}
