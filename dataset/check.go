// Checking a set before anybody trains on it: every file is read and decoded, and all problems are
// listed at once.

package dataset

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// CheckResult is the result of Check.
type CheckResult struct {
	Dir        string         `json:"dir"`
	Name       string         `json:"name"`
	Channels   []string       `json:"channels"`
	Samples    int            `json:"samples"`    // after corrections: without the excluded samples
	Excluded   int            `json:"excluded"`   // samples that corrections exclude
	Relabelled int            `json:"relabelled"` // samples whose label corrections change
	Classes    Counts         `json:"classes"`
	Packages   []PackageCount `json:"packages"` // sorted by name; empty when the set names no packages
	Grid       *Grid          `json:"grid,omitempty"`
	Sizes      []SizeCount    `json:"sizes"`   // the most common size first
	Digests    Digests        `json:"digests"` // empty when there are problems
	Problems   []Problem      `json:"problems"`
}

// Counts counts samples by label.
type Counts struct {
	Normal int `json:"normal"`
	Defect int `json:"defect"`
}

// PackageCount counts one package's samples.
type PackageCount struct {
	Name string `json:"name"`
	Counts
}

// SizeCount counts the image files of one size.
type SizeCount struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	Bits   int `json:"bits"` // per pixel: 8 or 16
	Files  int `json:"files"`
}

// Check reads and decodes all of a set, and continues after every problem where it can. overlay and
// progress are those of Load. When the error is nil the result is complete, with or without problems.
func Check(ctx context.Context, dir, overlay string, progress func(done, total int)) (*CheckResult, error) {
	result := &CheckResult{
		Dir:      dir,
		Channels: []string{},
		Packages: []PackageCount{},
		Sizes:    []SizeCount{},
		Problems: []Problem{},
	}
	s, ps, err := readTables(dir, overlay)
	if err != nil {
		return nil, err
	}
	if s == nil {
		result.Problems = ps
		return result, nil
	}
	captures := s.captures(s.listed)
	included := s.included(captures)
	checked := make([]checkedCapture, len(captures))
	found, err := each(ctx, len(captures), progress, func(i int) (problems, error) {
		var ps problems
		var err error
		checked[i], ps, err = s.checkCapture(captures[i], included[i])
		return ps, err
	})
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	digests := make([]string, len(checked))
	shapes := make([]shape, len(checked))
	for i, c := range checked {
		digests[i], shapes[i] = c.digest, c.shape
	}
	ps = append(ps, found...)
	ps = append(ps, s.checkShapes(captures, shapes)...)
	ps = append(ps, s.findFileCopies(captures, included, checked)...)
	ps = append(ps, s.finishDigests(captures, digests)...)
	result.count(s, checked)
	result.Problems = append(result.Problems, sorted(ps)...)
	if len(ps) == 0 {
		result.Digests = s.Digests
	}
	return result, nil
}

// checkedCapture holds what Check needs to know about a capture: its captureInfo, and data of each file.
type checkedCapture struct {
	captureInfo
	fileDigests []string    // one per channel; "" where the file could not be read
	sizes       []SizeCount // one per file that could be decoded
}

// checkCapture reads a capture, and decodes it if decoding is true. An excluded capture is not decoded:
// a file that cannot be decoded is a good reason to exclude its sample.
func (s *Set) checkCapture(c capture, decoding bool) (checkedCapture, problems, error) {
	checked := checkedCapture{fileDigests: make([]string, len(s.Config.Channels))}
	info, ps, err := s.readCapture(c, decoding, func(channel int, content []byte, p *plane) {
		checked.fileDigests[channel] = wire.Digest(content)
		if p != nil {
			bits := 8
			if p.wide {
				bits = 16
			}
			checked.sizes = append(checked.sizes, SizeCount{p.width, p.height, bits, 1})
		}
	})
	checked.captureInfo = info
	return checked, ps, err
}

// included reports for each capture whether it shows at least one sample that is not excluded.
func (s *Set) included(captures []capture) []bool {
	kept := make(map[string]bool, len(s.Samples))
	for _, sample := range s.Samples {
		kept[sample.ID] = true
	}
	included := make([]bool, len(captures))
	for n, c := range captures {
		included[n] = slices.ContainsFunc(c.samples, func(i int) bool { return kept[s.listed[i].ID] })
	}
	return included
}

// findCopies finds captures whose files have the same bytes, in all channels, as those of an earlier capture. A camera
// never takes the same bits twice, so one of the two is a copy. If a copy were in the test split and its original in
// the training split, the test would be worthless. An excluded copy may stay in the set.
func (s *Set) findCopies(captures []capture, digests []string) problems {
	var ps problems
	first := map[string]capture{}
	for i, included := range s.included(captures) {
		if !included || digests[i] == "" {
			continue
		}
		if earlier, twice := first[digests[i]]; twice {
			s.addCopy(&ps, captures[i], s.Config.Channels, s.withLine(earlier))
			continue
		}
		first[digests[i]] = captures[i]
	}
	return ps
}

func (s *Set) addCopy(ps *problems, c capture, channels []string, original string) {
	ps.addf(s.labelsFile(), c.first.Line, "%s: the image of %s is byte for byte the same as that of %s",
		s.title(c), strings.Join(channels, ", "), original)
}

func (s *Set) withLine(c capture) string {
	return fmt.Sprintf("%s (line %d)", s.title(c), c.first.Line)
}

// findFileCopies finds the copies that findCopies finds, and also single channels' files that occur
// twice. It adds one problem for each pair of captures.
func (s *Set) findFileCopies(captures []capture, included []bool, checked []checkedCapture) problems {
	var ps problems
	first := map[string]int{} // by digest: the first capture that has a file with this digest
	for i, c := range checked {
		copied := map[int][]string{} // by the earlier capture: the channels that have the same file
		for channel, digest := range c.fileDigests {
			if digest == "" || !included[i] {
				continue
			}
			if earlier, twice := first[digest]; twice {
				copied[earlier] = append(copied[earlier], s.Config.Channels[channel])
				continue
			}
			first[digest] = i
		}
		for _, n := range slices.Sorted(maps.Keys(copied)) {
			original := s.withLine(captures[n])
			if n == i {
				original = "another of its channels"
			}
			s.addCopy(&ps, captures[i], copied[n], original)
		}
	}
	return ps
}

func (r *CheckResult) count(s *Set, checked []checkedCapture) {
	r.Name, r.Channels, r.Grid = s.Config.Name, s.Config.Channels, s.Config.Grid
	r.Samples, r.Excluded = len(s.Samples), len(s.listed)-len(s.Samples)
	packages := map[string]Counts{}
	for _, sample := range s.Samples {
		r.Classes.add(sample.Label)
		if sample.Label != sample.Given {
			r.Relabelled++
		}
		if sample.Package != "" {
			counts := packages[sample.Package]
			counts.add(sample.Label)
			packages[sample.Package] = counts
		}
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		r.Packages = append(r.Packages, PackageCount{name, packages[name]})
	}
	sizes := map[SizeCount]int{}
	for _, c := range checked {
		for _, size := range c.sizes {
			sizes[size]++
		}
	}
	for size, n := range sizes {
		size.Files = n
		r.Sizes = append(r.Sizes, size)
	}
	slices.SortFunc(r.Sizes, func(a, b SizeCount) int {
		return cmp.Or(
			cmp.Compare(b.Files, a.Files),
			cmp.Compare(a.Width, b.Width),
			cmp.Compare(a.Height, b.Height),
			cmp.Compare(a.Bits, b.Bits),
		)
	})
}

func (c *Counts) add(label Label) {
	if label == Defect {
		c.Defect++
	} else {
		c.Normal++
	}
}
