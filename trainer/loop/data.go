package loop

import (
	"fmt"
	"math"

	"plumbline.dev/plumbline/wire"
)

// Data holds the packed data set and its split.
type Data struct {
	Images   []uint8  // [samples,S,S,C]
	Size     int      // S
	Channels []string // the names of the C channels
	Labels   []int32  // [samples]; 0 is normal, 1 is a defect
	IDs      []string // [samples]
	Groups   []string // [samples]; the sample's package, "" if it has none
	Digests  wire.Digests

	Train, Validation, Test []int // indices of samples, ascending
}

// gather copies the images at these indices into the memory of `into`, or into new memory if that is too small.
// -> [len(indices),S,S,C]
func (d Data) gather(into []uint8, indices []int) []uint8 {
	n := d.Size * d.Size * len(d.Channels)
	into = into[:0]
	for _, i := range indices {
		into = append(into, d.Images[i*n:(i+1)*n]...)
	}
	return into
}

// counts returns how many of the samples at these indices are normal and how many are defects.
func (d Data) counts(indices []int) (n [2]int) {
	for _, i := range indices {
		n[d.Labels[i]]++
	}
	return n
}

// Normalisation returns the mean and the standard deviation of each channel over the training split, on the 0-255
// scale. The sums are whole numbers, so their order does not matter. The model cannot learn anything from a constant
// channel. Its deviation is returned as 1, which makes the normalised channel a plane of zeros, and note names the last
// such channel.
func (d Data) Normalisation() (mean, std []float64, note string) {
	c := len(d.Channels)
	sum, squares := make([]uint64, c), make([]uint64, c)
	image := d.Size * d.Size * c
	for _, i := range d.Train {
		for at, v := range d.Images[i*image : (i+1)*image] {
			sum[at%c] += uint64(v)
			squares[at%c] += uint64(v) * uint64(v)
		}
	}
	n := float64(len(d.Train) * d.Size * d.Size)
	mean, std = make([]float64, c), make([]float64, c)
	for k := range c {
		mean[k] = float64(sum[k]) / n
		std[k] = math.Sqrt(math.Max(0, float64(squares[k])/n-mean[k]*mean[k]))
		if std[k] == 0 {
			std[k] = 1
			note = fmt.Sprintf(constantChannel, d.Channels[k])
		}
	}
	return mean, std, note
}

// constantChannel is the note on a channel that never changes.
const constantChannel = "channel %s has the same value in the whole training split, so the model learns nothing from it"

// check returns an error if the data cannot be trained on. It guards the loop against a caller's mistake: dataset.Split
// has already explained bad data to the user.
func (d Data) check() error {
	n, image := len(d.Labels), d.Size*d.Size*len(d.Channels)
	if len(d.Images) != n*image || len(d.IDs) != n || len(d.Groups) != n {
		return fmt.Errorf("the parts of the data do not fit together: %d labels, %d ids, %d groups, "+
			"%d bytes of images of %d bytes each", n, len(d.IDs), len(d.Groups), len(d.Images), image)
	}
	for _, split := range []struct {
		name    string
		samples []int
	}{{"training", d.Train}, {"validation", d.Validation}} {
		if c := d.counts(split.samples); c[0] == 0 || c[1] == 0 {
			return fmt.Errorf("the %s split has %d normal samples and %d defects: both are needed",
				split.name, c[0], c[1])
		}
	}
	if c := d.counts(d.Test); len(d.Test) > 0 && c[1] == 0 {
		return fmt.Errorf("the test split has %d samples and no defect, so nothing can be measured on it", len(d.Test))
	}
	return nil
}
