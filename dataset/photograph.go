// What is read at once: a photograph, one image file per channel. It shows one
// sample, or with a grid all samples of a package, so that a package's files are
// read and decoded once and not once for every cell.

package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// photograph is one exposure of the camera under every light.
type photograph struct {
	first   Sample // names its files, and at its line problems are told
	samples []int  // what it shows, as indices into the samples that were asked about
}

// photographs groups samples by the files that show them, in the order of each
// photograph's first sample.
func (s *Set) photographs(samples []Sample) []photograph {
	all := make([]photograph, 0, len(samples))
	of := map[string]int{}
	for i, sample := range samples {
		name := sample.ID
		if s.Config.Grid != nil {
			name = sample.Package
		}
		n, known := of[name]
		if !known {
			n = len(all)
			of[name] = n
			all = append(all, photograph{first: sample})
		}
		all[n].samples = append(all[n].samples, i)
	}
	return all
}

// unit is what one photograph shows.
func (s *Set) unit() string {
	if s.Config.Grid != nil {
		return "package"
	}
	return "sample"
}

func (s *Set) title(p photograph) string {
	if s.Config.Grid != nil {
		return "package " + p.first.Package
	}
	return "sample " + p.first.ID
}

// exposure is what reading a photograph's files tells.
type exposure struct {
	digest string // of its files, one after the other in the set's order; "" when one could not be read
	shape  shape  // zero unless every file could be read and decoded
}

// develop reads a photograph's channel files and hands each to take. plane is nil
// where the file holds no image that can be used, and everywhere when nothing is
// to be decoded.
func (s *Set) develop(photo photograph, decoding bool, take func(channel int, content []byte, plane *plane)) (exposure, problems, error) {
	decode := s.plane
	if !decoding {
		decode = func([]byte) (*plane, string) { return nil, "" }
	}
	files := make([]string, len(s.Config.Channels))
	for c, channel := range s.Config.Channels {
		files[c] = s.imageFile(photo.first, channel)
	}
	return film{s.labelsFile(), photo.first.Line, s.title(photo), s.Config.Channels, files}.develop(decode, take)
}

// film is what develop needs to know: where problems are told, of what, and the
// file of each channel.
type film struct {
	table           string
	line            int
	title           string
	channels, files []string
}

// develop reads the files one at a time, so that no more than one is in memory.
// decode says why it gives no plane, where that is the file's fault.
func (f film) develop(decode func(content []byte) (*plane, string), take func(channel int, content []byte, plane *plane)) (exposure, problems, error) {
	var ps problems
	all := sha256.New()
	complete := true
	var first shape // of a channel, which the others must have
	var firstName string
	for c, file := range f.files {
		complain := func(format string, args ...any) {
			ps.addf(f.table, f.line, "%s: %s %s", f.title, file, fmt.Sprintf(format, args...))
		}
		content, err := readFile(file, maxImageBytes)
		if err != nil {
			reason, err := faultOf(err)
			if err != nil {
				return exposure{}, nil, err
			}
			complain("%s", reason)
			complete = false
			continue
		}
		all.Write(content)
		p, reason := decode(content)
		switch {
		case reason != "":
			complain("%s", reason)
		case p == nil:
		case first.width == 0:
			first, firstName = p.shape(), f.channels[c]
		case p.shape() != first:
			complain("is %d x %d pixels, but channel %s is %d x %d", p.width, p.height, firstName, first.width, first.height)
		}
		take(c, content, p)
	}
	var seen exposure
	if complete {
		seen.digest = "sha256:" + hex.EncodeToString(all.Sum(nil))
	}
	if len(ps) == 0 {
		seen.shape = first
	}
	return seen, ps, nil
}

// plane decodes one channel's file, or says why this set cannot use it.
func (s *Set) plane(content []byte) (*plane, string) {
	p, err := decode(content)
	if err != nil {
		return nil, err.Error()
	}
	if p.wide && s.Config.Range16 == nil {
		return nil, fmt.Sprintf("has 16 bits a pixel, and %s has no range16 to say which values they use", ConfigFile)
	}
	if s.Config.Grid != nil {
		if reason := s.Config.Grid.leaves(p.shape()); reason != "" {
			return nil, reason
		}
	}
	return p, ""
}

func (s *Set) imageFile(sample Sample, channel string) string {
	return filepath.Join(s.Dir, s.Config.file(sample, channel))
}

// sampleDigest tells a sample's image from others: the digest of its files, and
// with a grid, where a package shares them, that of which cell it is. Margins
// are left out: they move borders and make no eraser another one.
func (s *Set) sampleDigest(sample Sample, files string) string {
	if s.Config.Grid == nil || files == "" {
		return files
	}
	return digestOf(fmt.Appendf(nil, "%s cell %d of %s", files, sample.Position, s.Config.Grid))
}

// shape is an image's size; zero when it could not be read.
type shape struct{ width, height int }

// values is the range that becomes 0 to 255.
func (p *plane) values(range16 *Range16) Range16 {
	if p.wide {
		return *range16
	}
	return Range16{Max: 255}
}

func (p *plane) shape() shape { return shape{p.width, p.height} }

// ratio is the shape without its scale.
func (s shape) ratio() shape {
	a, b := s.width, s.height
	for b != 0 {
		a, b = b, a%b
	}
	return shape{s.width / a, s.height / a}
}

// oneShape: area-v1 stretches every image to a square, so a sample of another
// shape than the rest would be distorted like no other. Photographs with a grid
// must even have one size, as margins are counted in pixels.
func (s *Set) oneShape(photos []photograph, shapes []shape) problems {
	alike, what := shape.ratio, "shape"
	if s.Config.Grid != nil {
		alike, what = func(s shape) shape { return s }, "size"
	}
	counts := map[shape]int{}
	var most shape // of the commonest, the first seen
	for _, shape := range shapes {
		if shape.width == 0 {
			continue
		}
		counts[alike(shape)]++
		if most.width == 0 || counts[alike(shape)] > counts[alike(most)] {
			most = shape
		}
	}
	var ps problems
	for i, shape := range shapes {
		if shape.width != 0 && alike(shape) != alike(most) {
			ps.addf(s.labelsFile(), photos[i].first.Line, "%s is %d x %d pixels, another %s than most %ss' %d x %d; a fixed camera makes one %s",
				s.title(photos[i]), shape.width, shape.height, what, s.unit(), most.width, most.height, what)
		}
	}
	return ps
}
