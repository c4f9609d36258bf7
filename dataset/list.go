// A list: image files named one by one, so that a model can predict images that belong to no set and
// have no labels.

package dataset

import (
	"context"
	"fmt"
	"path/filepath"
)

// List is a CSV file with the column id and one column per channel, in the model's order. A channel's
// column holds the path of its image file, absolute or relative to the list.
type List struct {
	IDs []string // in the list's order, without repeats

	file     string
	channels []string
	range16  *Range16 // nil: 16-bit files are refused
	rows     []listRow
}

// listRow is one line of a list.
type listRow struct {
	line  int      // counted from 1
	paths []string // one per channel
}

// LoadList reads a list and opens none of its images. A list with problems returns a *ProblemsError.
func LoadList(file string, channels []string, range16 *Range16) (*List, error) {
	var ps problems
	text, err := readText(file, &ps)
	if err != nil {
		return nil, err
	}
	l := &List{file: file, channels: channels, range16: range16}
	first := map[string]int{}
	readTable(file, text, append([]string{"id"}, channels...), &ps, func(line int, row []string) {
		id, paths := row[0], row[1:]
		if reason := unsafeName(id); reason != "" {
			ps.addf(file, line, "id %q %s", id, reason)
			return
		}
		if at, twice := first[id]; twice {
			ps.addf(file, line, "sample %s is already in line %d", id, at)
			return
		}
		first[id] = line
		for i, path := range paths {
			if path == "" {
				ps.addf(file, line, "sample %s: channel %s has no file", id, channels[i])
			} else if !filepath.IsAbs(path) {
				paths[i] = filepath.Join(filepath.Dir(file), path)
			}
		}
		l.IDs = append(l.IDs, id)
		l.rows = append(l.rows, listRow{line, paths})
	})
	if len(l.IDs) == 0 && len(ps) == 0 {
		ps.addf(file, 1, "has a header but no samples below it")
	}
	return l, ps.err()
}

// Images returns the images of the samples with these indices, in this order, as
// [len(indices), size, size, channels], resized by area-v1. Problems are a *ProblemsError.
func (l *List) Images(ctx context.Context, indices []int, size int) ([]uint8, error) {
	if size < 1 || size > MaxSize {
		return nil, fmt.Errorf("image size %d is not between 1 and %d", size, MaxSize)
	}
	imageBytes := size * size * len(l.channels)
	out := make([]uint8, len(indices)*imageBytes)
	ps, err := each(ctx, len(indices), nil, func(k int) (problems, error) {
		return l.fill(out[k*imageBytes:][:imageBytes], indices[k], size)
	})
	if err != nil {
		return nil, fmt.Errorf("read the images of %s: %w", l.file, err)
	}
	return out, ps.err()
}

// fill decodes and resizes the image of one sample into out: [size, size, channels].
func (l *List) fill(out []uint8, i, size int) (problems, error) {
	row := l.rows[i]
	source := channelFiles{l.file, row.line, "sample " + l.IDs[i], l.channels, row.paths}
	_, ps, err := source.read(l.decodeChannel, func(channel int, _ []byte, p *plane) {
		if p != nil {
			resize(p, p.valueRange(l.range16), size, out[channel:], len(l.channels))
		}
	})
	return ps, err
}

// decodeChannel decodes one channel's file. It returns nil and the reason when this list cannot use the
// file.
func (l *List) decodeChannel(content []byte) (*plane, string) {
	p, err := decode(content)
	switch {
	case err != nil:
		return nil, err.Error()
	case p.wide && l.range16 == nil:
		return nil, "has 16 bits a pixel, but no range16 is given to say which values are used"
	}
	return p, ""
}
