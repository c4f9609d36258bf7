// Writing a set. It is written into a temporary directory beside the target, and renamed to the target when
// it is complete, so that the target never holds half a set.

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

// Files that Write adds to the set. Training never reads them.
const (
	TruthFile = "truth.csv"         // what each image really shows
	SheetFile = "contact-sheet.png" // examples
)

// ErrOccupied is returned when the target is not empty and may not be replaced.
var ErrOccupied = errors.New("is not empty")

// Made holds the counts of a set that was made.
type Made struct {
	Samples, Packages int
	Defects           int // samples that truly have a defect
	Flipped           int // samples with a wrong label in labels.csv
}

// Write makes the set in dir. If dir is not empty, Write returns ErrOccupied, or with replace it replaces
// dir, but only if dir holds a TruthFile: a set that Write made. progress may be nil; its calls do not
// overlap.
func Write(ctx context.Context, spec Spec, dir string, replace bool, progress func(done, total int)) (Made, error) {
	if err := spec.Check(); err != nil {
		return Made{}, err
	}
	if err := checkTarget(dir, replace); err != nil {
		return Made{}, err
	}
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return Made{}, fmt.Errorf("make the parent directory of %s: %w", dir, err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".partial-")
	if err != nil {
		return Made{}, fmt.Errorf("make a temporary directory beside %s: %w", dir, err)
	}
	defer os.RemoveAll(partial) // after success it has been renamed, and nothing is removed
	if err := os.Chmod(partial, 0o755); err != nil {
		return Made{}, fmt.Errorf("make %s readable for other users: %w", partial, err)
	}
	samples := spec.plan()
	if err := spec.writeSet(ctx, partial, samples, progress); err != nil {
		return Made{}, fmt.Errorf("write data set %s: %w", dir, err)
	}
	return count(samples), replaceDir(partial, dir)
}

// checkTarget returns an error when dir may not be replaced, so that a mistake cannot destroy anything but
// a generated set.
func checkTarget(dir string, replace bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("read directory %s: %w", dir, err)
	case !replace:
		return fmt.Errorf("%s %w", dir, ErrOccupied)
	}
	if _, err := os.Stat(filepath.Join(dir, TruthFile)); err != nil {
		return fmt.Errorf("%s %w and holds no %s: only a set that plumb dataset synth made can be replaced",
			dir, ErrOccupied, TruthFile)
	}
	return nil
}

// replaceDir renames partial to dir, and then removes the old content of dir.
func replaceDir(partial, dir string) error {
	old := partial + ".old"
	switch err := os.Rename(dir, old); {
	case err == nil:
		defer os.RemoveAll(old)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("move the old %s aside: %w", dir, err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return errors.Join(fmt.Errorf("rename the new set to %s: %w", dir, err), os.Rename(old, dir))
	}
	return nil
}

// writeSet writes all files of the set into dir.
func (s Spec) writeSet(
	ctx context.Context, dir string, samples []plannedSample, progress func(done, total int),
) error {
	for _, channel := range s.Channels {
		if err := os.MkdirAll(filepath.Join(dir, "images", channel), 0o755); err != nil {
			return err
		}
	}
	boxes := make([]box, len(samples))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for start := range samples {
		if start%s.samplesPerImage() != 0 {
			continue
		}
		if working.Err() != nil {
			break
		}
		end := min(start+s.samplesPerImage(), len(samples))
		group.Go(func() error {
			if err := s.writeImages(dir, samples[start:end], boxes[start:end]); err != nil {
				return err
			}
			if progress != nil {
				mu.Lock()
				defer mu.Unlock()
				done += end - start
				progress(done, len(samples))
			}
			return nil
		})
	}
	if err := errors.Join(group.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	if err := writePNG(filepath.Join(dir, SheetFile), s.sheet(samples)); err != nil {
		return err
	}
	return s.writeTables(dir, samples, boxes)
}

// samplesPerImage returns the number of samples that one image shows.
func (s Spec) samplesPerImage() int {
	if s.Grid != nil {
		return s.PackageSize
	}
	return 1
}

// writeImages renders the samples that are shown together, writes one image file per channel, and sets the
// box of each sample's defect. Without a grid it is called with one sample. With a grid it is called with
// the samples of a package, and copies the image of every sample into its cell, so that both layouts have
// the same pixels. Cells without a sample stay black.
func (s Spec) writeImages(dir string, samples []plannedSample, boxes []box) error {
	name := samples[0].id
	images := make([]*image.Gray, len(s.Channels))
	if s.Grid != nil {
		name = samples[0].pkg
		for c := range images {
			images[c] = image.NewGray(image.Rect(0, 0, s.Grid.Columns*s.Size, s.Grid.Rows*s.Size))
		}
	}
	for i, p := range samples {
		pictures, changed := s.renderSample(p)
		boxes[i] = changed
		if s.Grid == nil {
			images = pictures
			continue
		}
		cell := image.Pt((p.position-1)%s.Grid.Columns*s.Size, (p.position-1)/s.Grid.Columns*s.Size)
		for c, picture := range pictures {
			draw.Draw(images[c], picture.Bounds().Add(cell), picture, image.Point{}, draw.Src)
		}
	}
	for c, img := range images {
		if err := writePNG(filepath.Join(dir, "images", s.Channels[c], name+".png"), img); err != nil {
			return err
		}
	}
	return nil
}

// renderSample returns the image of a sample under the light of every channel, and the box of its defect.
func (s Spec) renderSample(p plannedSample) ([]*image.Gray, box) {
	run := s.printRun(p.pkg)
	random := s.generator(p.id)
	eraser := newSurface(2*s.Size, run, random)
	changed := eraser.addDefect(p.kind, p.severity, s.Size, random)
	pictures := make([]*image.Gray, len(s.Channels))
	for c, channel := range s.Channels {
		l, _ := lightByName(channel)
		// Every channel has its own generator for the camera's noise, so that its image does not depend on
		// which other channels are made.
		pictures[c] = eraser.render(l, run.gain[channel], s.Size, s.generator(p.id+" "+channel))
	}
	return pictures, changed
}

func count(samples []plannedSample) Made {
	made := Made{Samples: len(samples)}
	packages := map[string]bool{}
	for _, p := range samples {
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

// command returns the command that makes the set again.
func (s Spec) command() string {
	text := fmt.Sprintf("plumb dataset synth --samples %d --prevalence %v --min-severity %v --label-noise %v",
		s.Samples, s.Prevalence, s.MinSeverity, s.LabelNoise)
	text += fmt.Sprintf(" --seed %d --size %d --package-size %d --channels %s",
		s.Seed, s.Size, s.PackageSize, strings.Join(s.Channels, ","))
	if g := s.Grid; g != nil {
		text += fmt.Sprintf(" --grid %dx%d", g.Rows, g.Columns)
	}
	return text
}

// writeTables writes the text files of the set: dataset.yaml, labels.csv and truth.csv.
func (s Spec) writeTables(dir string, samples []plannedSample, boxes []box) error {
	files, grid := "images/{channel}/{id}.png", ""
	if g := s.Grid; g != nil {
		files = "images/{channel}/{package}.png"
		grid = fmt.Sprintf("grid: {rows: %d, columns: %d}\n", g.Rows, g.Columns)
	}
	config := fmt.Sprintf("# Made by `%s`.\n"+
		"name: synthetic-erasers\nchannels: [%s]\nfiles: %s\n%slabels: labels.csv\n",
		s.command(), strings.Join(s.Channels, ", "), files, grid)
	if err := os.WriteFile(filepath.Join(dir, dataset.ConfigFile), []byte(config), 0o644); err != nil {
		return err
	}
	labels := [][]string{{"id", "label", "package", "position"}}
	truth := [][]string{{"id", "label", "kind", "severity", "x", "y", "w", "h"}}
	for i, p := range samples {
		labels = append(labels, []string{p.id, p.given.String(), p.pkg, strconv.Itoa(p.position)})
		b := boxes[i]
		truth = append(truth, []string{
			p.id, p.truth.String(), string(p.kind), strconv.FormatFloat(p.severity, 'f', 3, 64),
			strconv.Itoa(b.x), strconv.Itoa(b.y), strconv.Itoa(b.w), strconv.Itoa(b.h),
		})
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
