// Captures: the image files that are read together. A capture is one image file per channel. It shows
// one sample, or with a grid all samples of a package, so that a package's files are read and decoded
// once and not once per cell.

package dataset

import (
	"fmt"
	"path/filepath"

	"plumbline.dev/plumbline/wire"
)

// capture is what the camera takes at once: one image per channel.
type capture struct {
	first   Sample // its id or package names the files, and problems are reported at its line
	samples []int  // the samples that the capture shows, as indices into the slice given to captures
}

// captures groups samples by the image files that show them, in the order of each capture's first sample.
func (s *Set) captures(samples []Sample) []capture {
	all := make([]capture, 0, len(samples))
	index := map[string]int{}
	for i, sample := range samples {
		name := sample.ID
		if s.Config.Grid != nil {
			name = sample.Package
		}
		n, known := index[name]
		if !known {
			n = len(all)
			index[name] = n
			all = append(all, capture{first: sample})
		}
		all[n].samples = append(all[n].samples, i)
	}
	return all
}

// unit is the word for what one capture shows.
func (s *Set) unit() string {
	if s.Config.Grid != nil {
		return "package"
	}
	return "sample"
}

// title names a capture in a problem: "sample e0001" or "package p01".
func (s *Set) title(c capture) string {
	if s.Config.Grid != nil {
		return "package " + c.first.Package
	}
	return "sample " + c.first.ID
}

// captureInfo is the result of reading a capture's files.
type captureInfo struct {
	digest string // of the files, one after the other in the set's channel order; "" when one could not be read
	shape  shape  // zero unless every file could be read and decoded
}

// readCapture reads a capture's channel files and calls use with each. p is nil where the file holds no
// usable image, and for every file when decoding is false.
func (s *Set) readCapture(
	c capture, decoding bool, use func(channel int, content []byte, p *plane),
) (captureInfo, problems, error) {
	decodeFile := s.decodeChannel
	if !decoding {
		decodeFile = func([]byte) (*plane, string) { return nil, "" }
	}
	paths := make([]string, len(s.Config.Channels))
	for i, channel := range s.Config.Channels {
		paths[i] = s.imageFile(c.first, channel)
	}
	source := channelFiles{s.labelsFile(), c.first.Line, s.title(c), s.Config.Channels, paths}
	return source.read(decodeFile, use)
}

// channelFiles are the image files of one capture. Problems are reported at a line of a table: of
// labels.csv or of a list.
type channelFiles struct {
	table           string
	line            int
	title           string // names the capture in problems
	channels, paths []string
}

// read reads the files one at a time, so that no more than one is in memory. decodeFile returns a nil
// plane and the reason when the file cannot be used, and a nil plane and "" when it is not to be decoded.
func (f channelFiles) read(
	decodeFile func(content []byte) (*plane, string), use func(channel int, content []byte, p *plane),
) (captureInfo, problems, error) {
	var ps problems
	digester := wire.NewDigester()
	complete := true
	var first shape // of the first decoded channel; the other channels must have the same
	var firstName string
	for i, path := range f.paths {
		addProblem := func(format string, args ...any) {
			ps.addf(f.table, f.line, "%s: %s %s", f.title, path, fmt.Sprintf(format, args...))
		}
		content, err := readFile(path, maxImageBytes)
		if err != nil {
			reason, err := problemOf(err)
			if err != nil {
				return captureInfo{}, nil, err
			}
			addProblem("%s", reason)
			complete = false
			continue
		}
		_, _ = digester.Write(content) // it never returns an error
		p, reason := decodeFile(content)
		switch {
		case reason != "":
			addProblem("%s", reason)
		case p == nil:
		case first.width == 0:
			first, firstName = p.shape(), f.channels[i]
		case p.shape() != first:
			addProblem("is %d x %d pixels, but channel %s is %d x %d",
				p.width, p.height, firstName, first.width, first.height)
		}
		use(i, content, p)
	}
	var info captureInfo
	if complete {
		info.digest = digester.Digest()
	}
	if len(ps) == 0 {
		info.shape = first
	}
	return info, ps, nil
}

// decodeChannel decodes one channel's file. It returns nil and the reason when this set cannot use the
// file.
func (s *Set) decodeChannel(content []byte) (*plane, string) {
	p, err := decode(content)
	if err != nil {
		return nil, err.Error()
	}
	if p.wide && s.Config.Range16 == nil {
		return nil, fmt.Sprintf("has 16 bits a pixel, but %s has no range16: add range16 to say which values are used",
			ConfigFile)
	}
	if s.Config.Grid != nil {
		if reason := s.Config.Grid.misfit(p.shape()); reason != "" {
			return nil, reason
		}
	}
	return p, ""
}

func (s *Set) imageFile(sample Sample, channel string) string {
	return filepath.Join(s.Dir, s.Config.file(sample, channel))
}

// shape is an image's width and height in pixels; zero when the image could not be read.
type shape struct{ width, height int }

func (p *plane) shape() shape { return shape{p.width, p.height} }

// valueRange returns the pixel values that become 0 to 255.
func (p *plane) valueRange(range16 *Range16) Range16 {
	if p.wide {
		return *range16
	}
	return Range16{Max: 255}
}

// ratio returns the ratio of width to height in lowest terms.
func (s shape) ratio() shape {
	a, b := s.width, s.height
	for b != 0 {
		a, b = b, a%b
	}
	return shape{s.width / a, s.height / a}
}

// checkShapes refuses captures whose ratio of width to height differs from the most common one. area-v1
// stretches every image to a square, so a sample with another ratio would be distorted in another way
// than the rest. With a grid all captures must even have the same size, because the margins are counted
// in pixels.
func (s *Set) checkShapes(captures []capture, shapes []shape) problems {
	key, property := shape.ratio, "ratio of width to height"
	if s.Config.Grid != nil {
		key, property = func(s shape) shape { return s }, "size"
	}
	counts := map[shape]int{}
	// A shape with the most common key. Of equally common keys, that which reached the number first.
	var most shape
	for _, sh := range shapes {
		if sh.width == 0 {
			continue
		}
		counts[key(sh)]++
		if most.width == 0 || counts[key(sh)] > counts[key(most)] {
			most = sh
		}
	}
	var ps problems
	for i, sh := range shapes {
		if sh.width != 0 && key(sh) != key(most) {
			ps.addf(s.labelsFile(), captures[i].first.Line,
				"%s is %d x %d pixels, but most %ss are %d x %d; all must have the same %s",
				s.title(captures[i]), sh.width, sh.height, s.unit(), most.width, most.height, property)
		}
	}
	return ps
}
