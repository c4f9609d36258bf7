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

// dataFlags are the flags by which a person chooses samples of a data set.
type dataFlags struct{ data, corrections, split string }

// The splits that --split names.
var splits = []string{"all", "train", "validation", "test"}

// Help of the flags that name a data set, which fit has too.
const (
	dataFlag        = "directory of the data set, which holds dataset.yaml"
	correctionsFlag = "file of corrections to the labels; replaces the one that dataset.yaml names"
)

func (d *dataFlags) bind(f *pflag.FlagSet) {
	f.StringVar(&d.data, "data", "", dataFlag)
	f.StringVar(&d.corrections, "corrections", "", correctionsFlag)
}

func (d *dataFlags) bindSplit(f *pflag.FlagSet, byDefault string) {
	f.StringVar(&d.split, "split", byDefault, "which samples: "+strings.Join(splits, ", "))
}

// sampleSet is a set of samples that a model is asked about.
type sampleSet struct {
	split   string        // one of splits, or unlabelled
	samples []page.Sample // without logits
	notes   []string      // for a reader of the result

	// readImages returns the images of the samples at these positions, at the model's image size. -> [len(at),S,S,C]
	readImages func(ctx context.Context, at []int) ([]uint8, error)
}

// forEachPart calls ask with the positions and the images of all samples, a limited number at a time. Meanwhile it
// counts on the screen; doing names the work there.
func (s sampleSet) forEachPart(
	ctx context.Context, doing string, screen *screen, ask func(at []int, images []uint8) error,
) error {
	all := make([]int, len(s.samples))
	for i := range all {
		all[i] = i
	}
	for at := range slices.Chunk(all, loop.GatherAtOnce) {
		screen.count(doing, at[0], len(all))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		images, err := s.readImages(ctx, at)
		if err != nil {
			return err
		}
		if err := ask(at, images); err != nil {
			return err
		}
	}
	return nil
}

// otherLabels is the note on samples whose labels have changed since training.
const otherLabels = "The labels or corrections are not those of training: " +
	"figures under different labels are not comparable."

// load reads the data set and chooses the samples of the split. It refuses data that the model would misread. If a
// split is named it also refuses data that the model was not trained on, because it cannot know which of those samples
// were held out. model names the model in messages, and m is its manifest.
func (d dataFlags) load(ctx context.Context, model string, m wire.Manifest) (sampleSet, error) {
	if !slices.Contains(splits, d.split) {
		return sampleSet{}, settingsError(
			fmt.Errorf("--split %q must be one of %s", d.split, strings.Join(splits, ", ")))
	}
	data, err := d.read(ctx, model, m)
	if err != nil {
		return sampleSet{}, err
	}
	set := sampleSet{split: d.split}
	chosen, err := d.choose(data, m)
	if err != nil {
		return sampleSet{}, err
	}
	changed := data.Digests.Labels != m.Digests.Labels || data.Digests.Overlay != m.Digests.Overlay
	if d.split != "all" && changed {
		set.notes = append(set.notes, otherLabels)
	}
	for _, i := range chosen {
		sample := data.Samples[i]
		set.samples = append(set.samples, page.Sample{
			ID:      sample.ID,
			Package: sample.Package,
			Defect:  sample.Label == dataset.Defect,
			Given:   sample.Given == dataset.Defect,
		})
	}
	set.readImages = func(ctx context.Context, at []int) ([]uint8, error) {
		indices := make([]int, len(at))
		for k, i := range at {
			indices[k] = chosen[i]
		}
		images, err := data.Images(ctx, indices, m.Input.Size)
		if err != nil {
			return nil, readError(data.Dir, err)
		}
		return images, nil
	}
	return set, nil
}

// read reads the data set and compares it with the model's input.
func (d dataFlags) read(ctx context.Context, model string, m wire.Manifest) (*dataset.Set, error) {
	dir, err := filepath.Abs(d.data)
	if err != nil {
		return nil, err
	}
	from := wire.Dataset{URI: wire.LocalURI(dir)}
	if d.corrections != "" {
		overlay, err := filepath.Abs(d.corrections)
		if err != nil {
			return nil, err
		}
		from.Corrections = wire.LocalURI(overlay)
	}
	data, _, err := loadSet(ctx, from, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(data.Config.Channels, m.Input.Channels) {
		return nil, dataError(filepath.Join(dir, dataset.ConfigFile), fmt.Errorf(
			"the channels are %v; the model takes %v, in this order", data.Config.Channels, m.Input.Channels))
	}
	if m.Input.Resizer != dataset.Resizer {
		return nil, dataError(model, fmt.Errorf(
			"the model takes images resized by %q; this program has only %s", m.Input.Resizer, dataset.Resizer))
	}
	return data, nil
}

// otherData is the error about a data set that the model was not trained on.
const otherData = "this is not the data set that the model was trained on, or its corrections differ: " +
	"the digest of the %s is %s, and was %s in training. Its %s split is therefore unknown; " +
	"--split all takes every sample"

// choose returns the indices of the samples of the named split, which is computed as in training.
func (d dataFlags) choose(data *dataset.Set, m wire.Manifest) ([]int, error) {
	if d.split == "all" {
		all := make([]int, len(data.Samples))
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	split, err := data.Split(splitSpec(m.Settings.Dataset.Split))
	if err != nil {
		return nil, dataError(data.Dir, err)
	}
	if got, want := data.Digests.Data, m.Digests.Data; got != want {
		return nil, dataError(data.Dir, fmt.Errorf(otherData, "images", got, want, d.split))
	}
	if got, want := split.Digest, m.Digests.Split; got != want {
		return nil, dataError(data.Dir, fmt.Errorf(otherData, "split", got, want, d.split))
	}
	return map[string][]int{"train": split.Train, "validation": split.Validation, "test": split.Test}[d.split], nil
}

// unlabelled is the split of samples without labels.
const unlabelled = "unlabelled"

func (s sampleSet) labelled() bool { return s.split != unlabelled }

// listedSet returns the samples of a list of image files.
func listedSet(file string, in wire.Input, range16 *dataset.Range16) (sampleSet, error) {
	if isMissing(file) {
		return sampleSet{}, missingError(file, fmt.Errorf("%s does not exist", file))
	}
	list, err := dataset.LoadList(file, in.Channels, range16)
	if err != nil {
		return sampleSet{}, readError(file, err)
	}
	set := sampleSet{split: unlabelled}
	for _, id := range list.IDs {
		set.samples = append(set.samples, page.Sample{ID: id})
	}
	set.readImages = func(ctx context.Context, at []int) ([]uint8, error) {
		images, err := list.Images(ctx, at, in.Size)
		if err != nil {
			return nil, readError(file, err)
		}
		return images, nil
	}
	return set, nil
}

// testSet returns the test split of a trial that has just ended, whose images are in memory. worked is called whenever
// images are read.
func testSet(d loop.Data, worked func()) sampleSet {
	set := sampleSet{split: "test"}
	for _, i := range d.Test {
		defect := d.Labels[i] == int32(dataset.Defect)
		sample := page.Sample{ID: d.IDs[i], Package: d.Groups[i], Defect: defect, Given: defect}
		set.samples = append(set.samples, sample)
	}
	set.readImages = func(_ context.Context, at []int) ([]uint8, error) {
		worked()
		n := d.Size * d.Size * len(d.Channels)
		images := make([]uint8, 0, len(at)*n)
		for _, k := range at {
			images = append(images, d.Images[d.Test[k]*n:(d.Test[k]+1)*n]...)
		}
		return images, nil
	}
	return set
}
