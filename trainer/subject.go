package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/wire"
)

// source is what a person names on the command line when asking a model about a data set.
type source struct{ data, corrections, split string }

var splits = []string{"all", "train", "validation", "test"}

func (s *source) bind(f *pflag.FlagSet) {
	f.StringVar(&s.data, "data", "", "directory of the data set, which holds dataset.yaml")
	f.StringVar(&s.corrections, "corrections", "", "overlay on the labels, instead of the one that dataset.yaml names")
}

func (s *source) bindSplit(f *pflag.FlagSet, usual string) {
	f.StringVar(&s.split, "split", usual, "which samples: "+strings.Join(splits, ", "))
}

// subject is what a model is asked about: samples, and their pictures at its image size.
type subject struct {
	split    string
	samples  []page.Sample                                        // without logits
	pictures func(ctx context.Context, at []int) ([]uint8, error) // positions in samples -> [len(at),S,S,C]
	notes    []string                                             // what a reader of the answers must know
}

// each hands the pictures of all samples to ask, some at a time, with their positions. doing is what the screen says meanwhile.
func (s subject) each(ctx context.Context, doing string, screen *screen, ask func(at []int, images []uint8) error) error {
	all := make([]int, len(s.samples))
	for i := range all {
		all[i] = i
	}
	for at := range slices.Chunk(all, loop.GatherAtOnce) {
		screen.count(doing, at[0], len(all))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		images, err := s.pictures(ctx, at)
		if err != nil {
			return err
		}
		if err := ask(at, images); err != nil {
			return err
		}
	}
	return nil
}

// load reads the data set and picks its samples. It refuses data that the model would misread and, of a split, data that is not what
// the model was trained on: what was held out from training cannot be told then. what names the model in messages.
func (s source) load(ctx context.Context, what string, m wire.Manifest) (subject, error) {
	if !slices.Contains(splits, s.split) {
		return subject{}, settingsError(fmt.Errorf("--split %q must be one of %s", s.split, strings.Join(splits, ", ")))
	}
	set, err := s.read(ctx, what, m)
	if err != nil {
		return subject{}, err
	}
	on := subject{split: s.split}
	chosen, err := s.choose(set, m)
	if err != nil {
		return subject{}, err
	}
	if d := m.Digests; s.split != "all" && (set.Digests.Labels != d.Labels || set.Digests.Overlay != d.Overlay) {
		on.notes = append(on.notes, "The labels or corrections are not those of training: figures under different labels are not comparable.")
	}
	for _, i := range chosen {
		one := set.Samples[i]
		on.samples = append(on.samples, page.Sample{ID: one.ID, Package: one.Package, Defect: one.Label == dataset.Defect, Given: one.Given == dataset.Defect})
	}
	on.pictures = func(ctx context.Context, at []int) ([]uint8, error) {
		indices := make([]int, len(at))
		for k, i := range at {
			indices[k] = chosen[i]
		}
		images, err := set.Images(ctx, indices, m.Input.Size)
		if err != nil {
			return nil, readError(set.Dir, err)
		}
		return images, nil
	}
	return on, nil
}

// read loads the data set and holds it against what the model takes.
func (s source) read(ctx context.Context, what string, m wire.Manifest) (*dataset.Set, error) {
	data, err := filepath.Abs(s.data)
	if err != nil {
		return nil, err
	}
	d := wire.Dataset{URI: wire.LocalURI(data)}
	if s.corrections != "" {
		overlay, err := filepath.Abs(s.corrections)
		if err != nil {
			return nil, err
		}
		d.Corrections = wire.LocalURI(overlay)
	}
	set, _, err := loadSet(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(set.Config.Channels, m.Input.Channels) {
		return nil, dataError(filepath.Join(data, dataset.ConfigFile), fmt.Errorf("the channels are %v; the model takes %v, in this order", set.Config.Channels, m.Input.Channels))
	}
	if m.Input.Resizer != dataset.Resizer {
		return nil, dataError(what, fmt.Errorf("the model takes images resized by %q; this program has %s alone", m.Input.Resizer, dataset.Resizer))
	}
	return set, nil
}

// choose divides the set as training did and returns the samples of one side.
func (s source) choose(set *dataset.Set, m wire.Manifest) ([]int, error) {
	if s.split == "all" {
		all := make([]int, len(set.Samples))
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	split, err := set.Split(splitSpec(m.Settings.Dataset.Split))
	if err != nil {
		return nil, dataError(set.Dir, err)
	}
	for _, d := range []struct{ of, got, want string }{{"images", set.Digests.Data, m.Digests.Data}, {"sides of the split", split.Digest, m.Digests.Split}} {
		if d.got != d.want {
			return nil, dataError(set.Dir, fmt.Errorf("this is not the data set, or not the corrections, that the model was trained on (the %s have the digest %s, then %s): its %s fold cannot be found in it; --split all takes every sample",
				d.of, d.got, d.want, s.split))
		}
	}
	return map[string][]int{"train": split.Train, "validation": split.Validation, "test": split.Test}[s.split], nil
}

// unlabelled is the split of a subject that nobody has labelled.
const unlabelled = "unlabelled"

func (s subject) labelled() bool { return s.split != unlabelled }

// listSubject is the subject that a list of image files names.
func listSubject(file string, in wire.Input, range16 *dataset.Range16) (subject, error) {
	if isMissing(file) {
		return subject{}, missingError(file, fmt.Errorf("%s is not there", file))
	}
	list, err := dataset.LoadList(file, in.Channels, range16)
	if err != nil {
		return subject{}, readError(file, err)
	}
	on := subject{split: unlabelled}
	for _, id := range list.IDs {
		on.samples = append(on.samples, page.Sample{ID: id})
	}
	on.pictures = func(ctx context.Context, at []int) ([]uint8, error) {
		images, err := list.Images(ctx, at, in.Size)
		if err != nil {
			return nil, readError(file, err)
		}
		return images, nil
	}
	return on, nil
}

// testFold is the subject of a trial that has just ended, whose images are in memory. looked is called when some are asked for.
func testFold(d loop.Data, looked func()) subject {
	on := subject{split: "test"}
	for _, i := range d.Test {
		defect := d.Labels[i] == int32(dataset.Defect)
		on.samples = append(on.samples, page.Sample{ID: d.IDs[i], Package: d.Groups[i], Defect: defect, Given: defect})
	}
	on.pictures = func(_ context.Context, at []int) ([]uint8, error) {
		looked()
		n := d.Size * d.Size * len(d.Channels)
		images := make([]uint8, 0, len(at)*n)
		for _, k := range at {
			images = append(images, d.Images[d.Test[k]*n:(d.Test[k]+1)*n]...)
		}
		return images, nil
	}
	return on
}
