// From files to what a network is fed: uint8 values, samples by rows by columns
// by channels, normalised only in the graph.

package dataset

import (
	"context"
	"fmt"
)

// MaxSize bounds the side of a packed image.
const MaxSize = 4096

// Image returns sample i as [size, size, channels], channels interleaved in
// dataset.yaml's order, resized by area-v1. Faults are a *ProblemsError. Of a
// set with a grid it decodes the whole photograph: for several samples at once
// there is Images.
func (s *Set) Image(i, size int) ([]uint8, error) {
	return s.Images(context.Background(), []int{i}, size)
}

// Images returns the samples of these indices, in this order, as
// [len(indices), size, size, channels].
func (s *Set) Images(ctx context.Context, indices []int, size int) ([]uint8, error) {
	samples := make([]Sample, len(indices))
	for k, i := range indices {
		samples[k] = s.Samples[i]
	}
	return s.pack(ctx, samples, size, nil)
}

// Pack returns all samples as [len(Samples), size, size, channels]. It decodes
// on all processors and, where files are at fault, names every one of them in
// one *ProblemsError. progress may be nil; it counts photographs: samples, or
// with a grid packages.
func (s *Set) Pack(ctx context.Context, size int, progress func(done, total int)) ([]uint8, error) {
	return s.pack(ctx, s.Samples, size, progress)
}

func (s *Set) pack(ctx context.Context, samples []Sample, size int, progress func(done, total int)) ([]uint8, error) {
	if size < 1 || size > MaxSize {
		return nil, fmt.Errorf("image size %d is not between 1 and %d", size, MaxSize)
	}
	out := make([]uint8, len(samples)*s.imageBytes(size))
	photos := s.photographs(samples)
	shapes := make([]shape, len(photos))
	ps, err := each(ctx, len(photos), progress, func(i int) (problems, error) {
		var ps problems
		var err error
		shapes[i], ps, err = s.fill(out, photos[i], samples, size)
		return ps, err
	})
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", s.Dir, err)
	}
	ps = append(ps, s.oneShape(photos, shapes)...)
	if err := sorted(ps).err(); err != nil {
		return nil, err
	}
	return out, nil
}

// imageBytes is the size of one packed sample.
func (s *Set) imageBytes(size int) int { return size * size * len(s.Config.Channels) }

// fill decodes a photograph and resizes what it shows of samples into out:
// [len(samples), size, size, channels].
func (s *Set) fill(out []uint8, photo photograph, samples []Sample, size int) (shape, problems, error) {
	channels := len(s.Config.Channels)
	seen, ps, err := s.develop(photo, true, func(c int, _ []byte, p *plane) {
		if p == nil {
			return
		}
		for _, i := range photo.samples {
			cell := p
			if s.Config.Grid != nil {
				cell = s.Config.Grid.cut(p, samples[i].Position)
			}
			resize(cell, p.values(s.Config.Range16), size, out[i*s.imageBytes(size)+c:], channels)
		}
	})
	// The set's digest would else vouch for pixels that it never saw, and a cache
	// would keep them under it.
	if before := s.files[photo.first.ID]; err == nil && seen.digest != "" && seen.digest != before {
		err = fmt.Errorf("the files of %s have changed since the set was opened: is somebody still writing to it?", s.title(photo))
	}
	return seen.shape, ps, err
}
