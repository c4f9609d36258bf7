// From files to what a network is fed: uint8 values, samples by rows by columns
// by channels, normalised only in the graph.

package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// MaxSize bounds the side of a packed image.
const MaxSize = 4096

// Image returns sample i as [size, size, channels], channels interleaved in
// dataset.yaml's order, resized by area-v1. Faults are a *ProblemsError.
func (s *Set) Image(i, size int) ([]uint8, error) {
	if size < 1 || size > MaxSize {
		return nil, fmt.Errorf("image size %d is not between 1 and %d", size, MaxSize)
	}
	out := make([]uint8, size*size*len(s.Config.Channels))
	_, ps, err := s.fill(out, s.Samples[i], size)
	if err != nil {
		return nil, err
	}
	return out, ps.err()
}

// Pack returns all samples as [len(Samples), size, size, channels]. It decodes
// on all processors and, where files are at fault, names every one of them in
// one *ProblemsError. progress may be nil.
func (s *Set) Pack(ctx context.Context, size int, progress func(done, total int)) ([]uint8, error) {
	if size < 1 || size > MaxSize {
		return nil, fmt.Errorf("image size %d is not between 1 and %d", size, MaxSize)
	}
	bytes := size * size * len(s.Config.Channels)
	out := make([]uint8, len(s.Samples)*bytes)
	shapes := make([]shape, len(s.Samples))
	ps, err := each(ctx, len(s.Samples), progress, func(i int) (problems, error) {
		var ps problems
		var err error
		shapes[i], ps, err = s.fill(out[i*bytes:][:bytes], s.Samples[i], size)
		return ps, err
	})
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", s.Dir, err)
	}
	ps = append(ps, s.oneShape(s.Samples, shapes)...)
	if err := sorted(ps).err(); err != nil {
		return nil, err
	}
	return out, nil
}

// fill decodes and resizes one sample into out: [size, size, channels].
func (s *Set) fill(out []uint8, sample Sample, size int) (shape, problems, error) {
	contents, ps, err := s.contents(sample)
	if err != nil || len(ps) > 0 {
		return shape{}, ps, err
	}
	planes, ps := s.planes(sample, contents)
	if len(ps) > 0 {
		return shape{}, ps, nil
	}
	for c, p := range planes {
		valueRange := Range16{Max: 255}
		if p.wide {
			valueRange = *s.Config.Range16
		}
		resize(p, valueRange, size, out[c:], len(planes))
	}
	return planes[0].shape(), nil, nil
}

// contents reads a sample's channel files; a file with a problem leaves nil.
func (s *Set) contents(sample Sample) ([][]byte, problems, error) {
	var ps problems
	contents := make([][]byte, len(s.Config.Channels))
	for c, channel := range s.Config.Channels {
		file := s.imageFile(sample, channel)
		content, err := os.ReadFile(file)
		if err != nil {
			reason, err := faultOf(err)
			if err != nil {
				return nil, nil, err
			}
			ps.addf(s.labelsFile(), sample.Line, "sample %s: %s %s", sample.ID, file, reason)
			continue
		}
		contents[c] = content
	}
	return contents, ps, nil
}

// planes decodes a sample's channel files, which must have one size.
func (s *Set) planes(sample Sample, contents [][]byte) ([]*plane, problems) {
	var ps problems
	planes := make([]*plane, len(contents))
	first := -1
	for c, content := range contents {
		if content == nil {
			continue
		}
		file := s.imageFile(sample, s.Config.Channels[c])
		p, err := decode(content)
		switch {
		case err != nil:
			ps.addf(s.labelsFile(), sample.Line, "sample %s: %s %s", sample.ID, file, err)
			continue
		case p.wide && s.Config.Range16 == nil:
			ps.addf(s.labelsFile(), sample.Line, "sample %s: %s has 16 bits a pixel, and %s has no range16 to say which values they use", sample.ID, file, ConfigFile)
			continue
		case first < 0:
			first = c
		case p.width != planes[first].width || p.height != planes[first].height:
			ps.addf(s.labelsFile(), sample.Line, "sample %s: %s is %d x %d pixels, but channel %s is %d x %d", sample.ID, file,
				p.width, p.height, s.Config.Channels[first], planes[first].width, planes[first].height)
		}
		planes[c] = p
	}
	return planes, ps
}

func (s *Set) imageFile(sample Sample, channel string) string {
	return filepath.Join(s.Dir, s.Config.file(sample.ID, channel))
}

// shape is an image's size; zero when it could not be read.
type shape struct{ width, height int }

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
// shape than the rest would be distorted like no other.
func (s *Set) oneShape(samples []Sample, shapes []shape) problems {
	counts := map[shape]int{}
	var most shape // of the commonest ratio, the first seen
	for _, shape := range shapes {
		if shape.width == 0 {
			continue
		}
		counts[shape.ratio()]++
		if most.width == 0 || counts[shape.ratio()] > counts[most.ratio()] {
			most = shape
		}
	}
	var ps problems
	for i, shape := range shapes {
		if shape.width != 0 && shape.ratio() != most.ratio() {
			ps.addf(s.labelsFile(), samples[i].Line, "sample %s is %d x %d pixels, another shape than most samples' %d x %d; a fixed camera makes one shape",
				samples[i].ID, shape.width, shape.height, most.width, most.height)
		}
	}
	return ps
}
