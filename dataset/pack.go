// Packing: from image files to the input of a network, uint8 values as [samples, rows, columns, channels].
// The graph normalises the values.

package dataset

import (
	"context"
	"fmt"
)

// MaxSize is the largest side of a packed image, in pixels.
const MaxSize = 4096

// Image returns the image of sample i as [size, size, channels], with the channels in the order of
// dataset.yaml, resized by area-v1. Problems are a *ProblemsError. With a grid it decodes the images of
// the whole package; use Images for several samples.
func (s *Set) Image(i, size int) ([]uint8, error) {
	return s.Images(context.Background(), []int{i}, size)
}

// Images returns the images of the samples with these indices, in this order, as
// [len(indices), size, size, channels]. It is otherwise like Image.
func (s *Set) Images(ctx context.Context, indices []int, size int) ([]uint8, error) {
	samples := make([]Sample, len(indices))
	for k, i := range indices {
		samples[k] = s.Samples[i]
	}
	return s.pack(ctx, samples, size, nil)
}

// Pack returns the images of all samples as [len(Samples), size, size, channels]. It decodes on all
// processors. If files have problems, it returns one *ProblemsError with the problems of all files.
// progress may be nil; it counts samples, or with a grid packages.
func (s *Set) Pack(ctx context.Context, size int, progress func(done, total int)) ([]uint8, error) {
	return s.pack(ctx, s.Samples, size, progress)
}

func (s *Set) pack(ctx context.Context, samples []Sample, size int, progress func(done, total int)) ([]uint8, error) {
	if size < 1 || size > MaxSize {
		return nil, fmt.Errorf("image size %d is not between 1 and %d", size, MaxSize)
	}
	out := make([]uint8, len(samples)*s.imageBytes(size))
	captures := s.captures(samples)
	shapes := make([]shape, len(captures))
	ps, err := each(ctx, len(captures), progress, func(i int) (problems, error) {
		var ps problems
		var err error
		shapes[i], ps, err = s.fill(out, captures[i], samples, size)
		return ps, err
	})
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", s.Dir, err)
	}
	ps = append(ps, s.checkShapes(captures, shapes)...)
	if err := sorted(ps).err(); err != nil {
		return nil, err
	}
	return out, nil
}

// imageBytes returns the number of bytes of one packed image.
func (s *Set) imageBytes(size int) int { return size * size * len(s.Config.Channels) }

// fill decodes a capture, and cuts and resizes the samples that it shows into their places in out:
// [len(samples), size, size, channels].
func (s *Set) fill(out []uint8, c capture, samples []Sample, size int) (shape, problems, error) {
	channels := len(s.Config.Channels)
	info, ps, err := s.readCapture(c, true, func(channel int, _ []byte, p *plane) {
		if p == nil {
			return
		}
		for _, i := range c.samples {
			cell := p
			if s.Config.Grid != nil {
				cell = s.Config.Grid.cut(p, samples[i].Position)
			}
			resize(cell, p.valueRange(s.Config.Range16), size, out[i*s.imageBytes(size)+channel:], channels)
		}
	})
	// Without this check the set's digest would not be that of the pixels, and the cache would keep the
	// pixels under the wrong digest.
	if before := s.fileDigests[c.first.ID]; err == nil && info.digest != "" && info.digest != before {
		err = fmt.Errorf("the files of %s have changed since the set was opened; "+
			"wait until nothing writes to the set, then try again", s.title(c))
	}
	return info.shape, ps, err
}
