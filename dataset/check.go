// Checking a set before anybody trains on it: everything is read and decoded,
// and everything that is wrong is listed at once.

package dataset

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report is what a check found.
type Report struct {
	Dir        string         `json:"dir"`
	Name       string         `json:"name"`
	Channels   []string       `json:"channels"`
	Samples    int            `json:"samples"`    // after corrections
	Excluded   int            `json:"excluded"`   // by corrections
	Relabelled int            `json:"relabelled"` // by corrections
	Classes    Counts         `json:"classes"`
	Packages   []PackageCount `json:"packages"` // by name; empty when the set names none
	Grid       *Grid          `json:"grid,omitempty"`
	Sizes      []SizeCount    `json:"sizes"`   // commonest first
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
	Bits   int `json:"bits"` // a pixel
	Files  int `json:"files"`
}

// Check reads and decodes all of a set; it goes on past every fault it can. The
// report is complete when the error is nil, whether or not it holds problems.
func Check(ctx context.Context, dir, overlay string, progress func(done, total int)) (*Report, error) {
	report := &Report{Dir: dir, Channels: []string{}, Packages: []PackageCount{}, Sizes: []SizeCount{}, Problems: []Problem{}}
	s, ps, err := read(dir, overlay)
	if err != nil {
		return nil, err
	}
	if s == nil {
		report.Problems = ps
		return report, nil
	}
	photos := s.photographs(s.rows)
	wanted := s.wanted(photos)
	looked := make([]look, len(photos))
	found, err := each(ctx, len(photos), progress, func(i int) (problems, error) {
		var ps problems
		var err error
		looked[i], ps, err = s.look(photos[i], wanted[i])
		return ps, err
	})
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	digests := make([]string, len(looked))
	shapes := make([]shape, len(looked))
	for i, l := range looked {
		digests[i], shapes[i] = l.digest, l.shape
	}
	ps = append(ps, found...)
	ps = append(ps, s.oneShape(photos, shapes)...)
	ps = append(ps, s.duplicates(photos, wanted, looked)...)
	ps = append(ps, s.seal(photos, digests)...)
	report.count(s, looked)
	report.Problems = append(report.Problems, sorted(ps)...)
	if len(ps) == 0 {
		report.Digests = s.Digests
	}
	return report, nil
}

// look is what reading one photograph's files tells. What was excluded is not
// decoded: an image that cannot be is a good reason to exclude it.
type look struct {
	exposure
	files []string // each channel's own digest, "" where it could not be read
	sizes []SizeCount
}

func (s *Set) look(photo photograph, decoding bool) (look, problems, error) {
	l := look{files: make([]string, len(s.Config.Channels))}
	seen, ps, err := s.develop(photo, decoding, func(c int, content []byte, p *plane) {
		l.files[c] = digestOf(content)
		if p != nil {
			bits := 8
			if p.wide {
				bits = 16
			}
			l.sizes = append(l.sizes, SizeCount{p.width, p.height, bits, 1})
		}
	})
	l.exposure = seen
	return l, ps, err
}

// wanted says of each photograph whether it shows a sample that is not excluded.
func (s *Set) wanted(photos []photograph) []bool {
	taken := make(map[string]bool, len(s.Samples))
	for _, sample := range s.Samples {
		taken[sample.ID] = true
	}
	wanted := make([]bool, len(photos))
	for i, photo := range photos {
		wanted[i] = slices.ContainsFunc(photo.samples, func(row int) bool { return taken[s.rows[row].ID] })
	}
	return wanted
}

// copies finds photographs that are, in all channels, those of an earlier one,
// by their digests. Two exposures never agree in every bit, so one of them was
// copied; between training and test that would be a leak. A copy may stay where
// it is once it is excluded.
func (s *Set) copies(photos []photograph, digests []string) problems {
	var ps problems
	first := map[string]photograph{}
	for i, wanted := range s.wanted(photos) {
		if !wanted || digests[i] == "" {
			continue
		}
		if earlier, twice := first[digests[i]]; twice {
			ps.addf(s.labelsFile(), photos[i].first.Line, copyMessage, s.title(photos[i]), strings.Join(s.Config.Channels, ", "), s.withLine(earlier))
			continue
		}
		first[digests[i]] = photos[i]
	}
	return ps
}

const copyMessage = "%s: the image of %s is, byte for byte, that of %s"

func (s *Set) withLine(p photograph) string {
	return fmt.Sprintf("%s (line %d)", s.title(p), p.first.Line)
}

// duplicates finds what copies does, and single channels' files that occur
// twice. One problem for each pair of photographs.
func (s *Set) duplicates(photos []photograph, wanted []bool, looked []look) problems {
	type place struct{ photo, channel int }
	var ps problems
	first := map[string]place{}
	for i, l := range looked {
		copies := map[int][]string{} // by the photograph that came first
		for c, digest := range l.files {
			if digest == "" || !wanted[i] {
				continue
			}
			if earlier, twice := first[digest]; twice {
				copies[earlier.photo] = append(copies[earlier.photo], s.Config.Channels[c])
				continue
			}
			first[digest] = place{i, c}
		}
		for _, n := range slices.Sorted(maps.Keys(copies)) {
			other := s.withLine(photos[n])
			if n == i {
				other = "another of its channels"
			}
			ps.addf(s.labelsFile(), photos[i].first.Line, copyMessage, s.title(photos[i]), strings.Join(copies[n], ", "), other)
		}
	}
	return ps
}

func (r *Report) count(s *Set, looked []look) {
	r.Name, r.Channels, r.Grid = s.Config.Name, s.Config.Channels, s.Config.Grid
	r.Samples, r.Excluded = len(s.Samples), len(s.rows)-len(s.Samples)
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
	for _, l := range looked {
		for _, size := range l.sizes {
			sizes[size]++
		}
	}
	for size, files := range sizes {
		size.Files = files
		r.Sizes = append(r.Sizes, size)
	}
	slices.SortFunc(r.Sizes, func(a, b SizeCount) int {
		return cmp.Or(cmp.Compare(b.Files, a.Files), cmp.Compare(a.Width, b.Width), cmp.Compare(a.Height, b.Height), cmp.Compare(a.Bits, b.Bits))
	})
}

func (c *Counts) add(label Label) {
	if label == Defect {
		c.Defect++
	} else {
		c.Normal++
	}
}
