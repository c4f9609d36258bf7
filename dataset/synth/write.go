// Writing a set: into a directory beside the target, which takes its place only
// when it is complete, so that nobody ever finds half a set.

package synth

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"plumbline.dev/plumbline/dataset"
)

// Names of what lies beside the set and is never read by training.
const (
	TruthFile = "truth.csv"
	SheetFile = "contact-sheet.png"
)

// ErrOccupied is returned when the target holds something and may not be
// replaced.
var ErrOccupied = errors.New("is not empty")

// Made counts what was made.
type Made struct {
	Samples, Packages int
	Defects           int // truly
	Flipped           int // labels that say otherwise
}

// Write makes the set in dir. A dir that is there and not empty is refused with
// ErrOccupied; with replace it gives way, if it is a data set. progress may be
// nil; its calls do not overlap.
func Write(ctx context.Context, spec Spec, dir string, replace bool, progress func(done, total int)) (Made, error) {
	if err := spec.Check(); err != nil {
		return Made{}, err
	}
	if err := mayWrite(dir, replace); err != nil {
		return Made{}, err
	}
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return Made{}, fmt.Errorf("make room for %s: %w", dir, err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".partial-")
	if err != nil {
		return Made{}, fmt.Errorf("make room for %s: %w", dir, err)
	}
	defer os.RemoveAll(partial) // what is left of it: nothing after success
	if err := os.Chmod(partial, 0o755); err != nil {
		return Made{}, fmt.Errorf("open %s to readers: %w", partial, err)
	}
	pieces := spec.plan()
	if err := spec.fill(ctx, partial, pieces, progress); err != nil {
		return Made{}, fmt.Errorf("write data set %s: %w", dir, err)
	}
	return count(pieces), takePlace(partial, dir)
}

// mayWrite keeps a slip of the hand from costing more than a generated set.
func mayWrite(dir string, replace bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("look into %s: %w", dir, err)
	case !replace:
		return fmt.Errorf("%s %w", dir, ErrOccupied)
	}
	if _, err := os.Stat(filepath.Join(dir, TruthFile)); err != nil {
		return fmt.Errorf("%s %w and holds no %s: only a set that was made here is replaced", dir, ErrOccupied, TruthFile)
	}
	return nil
}

// takePlace renames partial to dir; what was there goes afterwards.
func takePlace(partial, dir string) error {
	old := partial + ".old"
	switch err := os.Rename(dir, old); {
	case err == nil:
		defer os.RemoveAll(old)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("move the old %s aside: %w", dir, err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return errors.Join(fmt.Errorf("put the new set in place: %w", err), os.Rename(old, dir))
	}
	return nil
}

func (s Spec) fill(ctx context.Context, dir string, pieces []piece, progress func(done, total int)) error {
	for _, channel := range s.Channels {
		if err := os.MkdirAll(filepath.Join(dir, "images", channel), 0o755); err != nil {
			return err
		}
	}
	boxes := make([]box, len(pieces))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for first := range pieces {
		if first%s.atOnce() != 0 {
			continue
		}
		if working.Err() != nil {
			break
		}
		last := min(first+s.atOnce(), len(pieces))
		group.Go(func() error {
			if err := s.shoot(dir, pieces[first:last], boxes[first:last]); err != nil {
				return err
			}
			if progress != nil {
				mu.Lock()
				defer mu.Unlock()
				done += last - first
				progress(done, len(pieces))
			}
			return nil
		})
	}
	if err := errors.Join(group.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	if err := writePNG(filepath.Join(dir, SheetFile), s.sheet(pieces)); err != nil {
		return err
	}
	return s.writeTables(dir, pieces, boxes)
}

// atOnce is how many erasers a photograph shows.
func (s Spec) atOnce() int {
	if s.Grid != nil {
		return s.PackageSize
	}
	return 1
}

// shoot makes the photographs of some erasers, one file per channel, and tells
// each one's defect. With a grid they are a package, and every eraser is pasted
// into its cell as it is, so that both layouts hold the same pixels; cells that
// nobody fills stay black.
func (s Spec) shoot(dir string, pieces []piece, boxes []box) error {
	name := pieces[0].id
	photos := make([]*image.Gray, len(s.Channels))
	if s.Grid != nil {
		name = pieces[0].pkg
		for c := range photos {
			photos[c] = image.NewGray(image.Rect(0, 0, s.Grid.Columns*s.Size, s.Grid.Rows*s.Size))
		}
	}
	for i, p := range pieces {
		pictures, changed := s.render(p)
		boxes[i] = changed
		if s.Grid == nil {
			photos = pictures
			continue
		}
		cell := image.Pt((p.position-1)%s.Grid.Columns*s.Size, (p.position-1)/s.Grid.Columns*s.Size)
		for c, picture := range pictures {
			draw.Draw(photos[c], picture.Bounds().Add(cell), picture, image.Point{}, draw.Src)
		}
	}
	for c, photo := range photos {
		if err := writePNG(filepath.Join(dir, "images", s.Channels[c], name+".png"), photo); err != nil {
			return err
		}
	}
	return nil
}

// render makes one eraser and photographs it under every light.
func (s Spec) render(p piece) ([]*image.Gray, box) {
	run := s.printRun(p.pkg)
	random := s.generator(p.id)
	surface := newSurface(2*s.Size, run, random)
	changed := surface.damage(p.kind, p.severity, s.Size, random)
	pictures := make([]*image.Gray, len(s.Channels))
	for c, channel := range s.Channels {
		l, _ := lightByName(channel)
		// The camera's noise is the channel's own, whichever others are made.
		pictures[c] = surface.photograph(l, run.gain[channel], s.Size, s.generator(p.id+" "+channel))
	}
	return pictures, changed
}

func count(pieces []piece) Made {
	made := Made{Samples: len(pieces)}
	packages := map[string]bool{}
	for _, p := range pieces {
		packages[p.pkg] = true
		if p.truth == dataset.Defect {
			made.Defects++
		}
		if p.given != p.truth {
			made.Flipped++
		}
	}
	made.Packages = len(packages)
	return made
}

func (s Spec) writeTables(dir string, pieces []piece, boxes []box) error {
	files, grid, flag := "images/{channel}/{id}.png", "", ""
	if g := s.Grid; g != nil {
		files, flag = "images/{channel}/{package}.png", fmt.Sprintf(" --grid %dx%d", g.Rows, g.Columns)
		grid = fmt.Sprintf("grid: {rows: %d, columns: %d}\n", g.Rows, g.Columns)
	}
	settings := fmt.Sprintf("# Made by `plumb dataset synth --samples %d --prevalence %v --min-severity %v --label-noise %v --seed %d --size %d --package-size %d --channels %s%s`.\n"+
		"name: synthetic-erasers\nchannels: [%s]\nfiles: %s\n%slabels: labels.csv\n",
		s.Samples, s.Prevalence, s.MinSeverity, s.LabelNoise, s.Seed, s.Size, s.PackageSize,
		strings.Join(s.Channels, ","), flag, strings.Join(s.Channels, ", "), files, grid)
	if err := os.WriteFile(filepath.Join(dir, dataset.ConfigFile), []byte(settings), 0o644); err != nil {
		return err
	}
	labels := [][]string{{"id", "label", "package", "position"}}
	truth := [][]string{{"id", "label", "kind", "severity", "x", "y", "w", "h"}}
	for i, p := range pieces {
		labels = append(labels, []string{p.id, p.given.String(), p.pkg, strconv.Itoa(p.position)})
		b := boxes[i]
		truth = append(truth, []string{p.id, p.truth.String(), string(p.kind), strconv.FormatFloat(p.severity, 'f', 3, 64),
			strconv.Itoa(b.x), strconv.Itoa(b.y), strconv.Itoa(b.w), strconv.Itoa(b.h)})
	}
	if err := writeCSV(filepath.Join(dir, "labels.csv"), labels); err != nil {
		return err
	}
	return writeCSV(filepath.Join(dir, TruthFile), truth)
}

func writeCSV(path string, rows [][]string) error {
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func writePNG(path string, picture image.Image) error {
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
