// A list: image files named one by one, for asking a model about pictures that
// belong to no set and that nobody has labelled.

package dataset

import (
	"context"
	"fmt"
	"path/filepath"
)

// List is a CSV file with the columns id and one per channel, in the model's
// order, which holds the file of that channel: absolute, or relative to the list.
type List struct {
	IDs []string // in the list's order, each once

	file     string
	channels []string
	range16  *Range16 // nil: 16-bit files are refused
	rows     []listed
}

type listed struct {
	line  int
	files []string // one per channel
}

// LoadList reads a list and opens none of its images. Faults are a
// *ProblemsError.
func LoadList(file string, channels []string, range16 *Range16) (*List, error) {
	var ps problems
	text, err := readText(file, &ps)
	if err != nil {
		return nil, err
	}
	l := &List{file: file, channels: channels, range16: range16}
	first := map[string]int{}
	readTable(file, text, append([]string{"id"}, channels...), &ps, func(line int, row []string) {
		id, files := row[0], row[1:]
		if reason := unsafeName(id); reason != "" {
			ps.addf(file, line, "id %q %s", id, reason)
			return
		}
		if at, twice := first[id]; twice {
			ps.addf(file, line, "sample %s is already in line %d", id, at)
			return
		}
		first[id] = line
		for c, f := range files {
			if f == "" {
				ps.addf(file, line, "sample %s: channel %s has no file", id, channels[c])
			} else if !filepath.IsAbs(f) {
				files[c] = filepath.Join(filepath.Dir(file), f)
			}
		}
		l.IDs = append(l.IDs, id)
		l.rows = append(l.rows, listed{line, files})
	})
	if len(l.IDs) == 0 && len(ps) == 0 {
		ps.addf(file, 1, "has a header and no samples below it")
	}
	return l, ps.err()
}

// Images returns the samples of these indices, in this order, as
// [len(indices), size, size, channels], resized by area-v1.
func (l *List) Images(ctx context.Context, indices []int, size int) ([]uint8, error) {
	if size < 1 || size > MaxSize {
		return nil, fmt.Errorf("image size %d is not between 1 and %d", size, MaxSize)
	}
	bytes := size * size * len(l.channels)
	out := make([]uint8, len(indices)*bytes)
	ps, err := each(ctx, len(indices), nil, func(k int) (problems, error) {
		return l.fill(out[k*bytes:][:bytes], indices[k], size)
	})
	if err != nil {
		return nil, fmt.Errorf("read the images of %s: %w", l.file, err)
	}
	return out, ps.err()
}

// fill decodes and resizes one sample into out: [size, size, channels].
func (l *List) fill(out []uint8, i, size int) (problems, error) {
	row := l.rows[i]
	_, ps, err := film{l.file, row.line, "sample " + l.IDs[i], l.channels, row.files}.develop(l.plane, func(c int, _ []byte, p *plane) {
		if p != nil {
			resize(p, p.values(l.range16), size, out[c:], len(l.channels))
		}
	})
	return ps, err
}

// plane decodes one channel's file, or says why this list cannot use it.
func (l *List) plane(content []byte) (*plane, string) {
	p, err := decode(content)
	switch {
	case err != nil:
		return nil, err.Error()
	case p.wide && l.range16 == nil:
		return nil, "has 16 bits a pixel, and nothing says which values they use"
	}
	return p, ""
}
