// The specification of a set, and the plan that follows from it: which samples have a defect and how
// severe it is, which labels are wrong, and how each package was printed.

package synth

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"plumbline.dev/plumbline/dataset"
)

// Spec is the specification of a set.
type Spec struct {
	Samples     int
	Prevalence  float64       // share of samples that truly have a defect; exact up to rounding
	MinSeverity float64       // severities are uniformly distributed from MinSeverity to 1
	LabelNoise  float64       // share of labels that are wrong in labels.csv
	Seed        int64         // another seed gives another set
	Size        int           // pixels on a side of a sample's image
	PackageSize int           // samples in a package; the last package may have fewer
	Channels    []string      // names of lights, see Lights
	Grid        *dataset.Grid // one image per package and channel with these cells; nil: one per sample and channel
}

// Bounds of Size: in a smaller image the logo could not be recognised, with larger ones a set would fill a
// disk.
const (
	minSize = 32
	maxSize = 1024
)

// Bounds of a grid. At the largest size, the image of a package then has at most 32 * 1024 pixels on a side
// and 64 * 1024^2 in all, which are the bounds of package dataset.
const (
	maxGridSide  = 32
	maxGridCells = 64
)

// Check returns an error that lists everything that is wrong with a spec. It uses the names of the flags
// of `plumb dataset synth`.
func (s Spec) Check() error {
	var wrong []error
	share := func(flag string, v float64) {
		if !(v >= 0 && v <= 1) { // also refuses NaN
			wrong = append(wrong, fmt.Errorf("%s %v is not between 0 and 1", flag, v))
		}
	}
	share("prevalence", s.Prevalence)
	share("min-severity", s.MinSeverity)
	share("label-noise", s.LabelNoise)
	if s.Samples < 1 || s.Samples > 1_000_000 {
		wrong = append(wrong, fmt.Errorf("samples %d is not between 1 and 1000000", s.Samples))
	}
	if s.Size < minSize || s.Size > maxSize {
		wrong = append(wrong, fmt.Errorf("size %d is not between %d and %d pixels", s.Size, minSize, maxSize))
	}
	if s.PackageSize < 1 {
		wrong = append(wrong, fmt.Errorf("package-size %d is below 1", s.PackageSize))
	}
	if g := s.Grid; g != nil {
		switch {
		case min(g.Rows, g.Columns) < 1 || max(g.Rows, g.Columns) > maxGridSide || g.Cells() > maxGridCells:
			wrong = append(wrong, fmt.Errorf("grid %s must have at least 1 row and 1 column, at most %d of either, "+
				"and at most %d cells", g, maxGridSide, maxGridCells))
		case s.PackageSize > g.Cells():
			wrong = append(wrong, fmt.Errorf("package-size %d does not fit into the %d cells of a %s grid",
				s.PackageSize, g.Cells(), g))
		case g.Margin != dataset.Margin{}:
			wrong = append(wrong, errors.New("grid: margins are not supported"))
		}
	}
	if len(s.Channels) == 0 {
		wrong = append(wrong, errors.New("channels is empty"))
	}
	for i, name := range s.Channels {
		if _, known := lightByName(name); !known {
			wrong = append(wrong, fmt.Errorf("channels: unknown light %q; the lights are %s",
				name, strings.Join(Lights(), ", ")))
		}
		if slices.Contains(s.Channels[:i], name) {
			wrong = append(wrong, fmt.Errorf("channels: %s is listed twice", name))
		}
	}
	return errors.Join(wrong...)
}

// plannedSample is one sample of the set before its images are made.
type plannedSample struct {
	id       string
	pkg      string // the name of its package
	position int    // in the package, counted from 1
	truth    dataset.Label
	given    dataset.Label // the label in labels.csv, which may be wrong
	kind     kind          // of the defect; none for a normal sample
	severity float64       // of the defect, up to 1; 0 for a normal sample
}

// plan decides everything about the samples but their images.
func (s Spec) plan() []plannedSample {
	random := s.generator("plan")
	samples := make([]plannedSample, s.Samples)
	digits := max(4, len(fmt.Sprint(s.Samples)))
	// Some packages have more defects than others, because a badly adjusted press makes more of them. A
	// sample's rank is an exponentially distributed number divided by the weight of its package. The samples
	// with the lowest ranks get a defect.
	rank := make([]float64, s.Samples)
	weight := 1.0
	for i := range samples {
		if i%s.PackageSize == 0 {
			weight = 0.5 + random.Float64()
		}
		samples[i] = plannedSample{
			id:       fmt.Sprintf("e%0*d", digits, i+1),
			pkg:      fmt.Sprintf("p%0*d", digits-1, i/s.PackageSize+1),
			position: i%s.PackageSize + 1,
		}
		rank[i] = random.ExpFloat64() / weight
	}
	for k, i := range lowest(rank, s.Prevalence) {
		samples[i].truth = dataset.Defect
		samples[i].kind = kinds[k%len(kinds)] // every kind equally often
		samples[i].severity = s.MinSeverity + (1-s.MinSeverity)*random.Float64()
	}
	for i := range rank {
		rank[i] = random.Float64()
		samples[i].given = samples[i].truth
	}
	for _, i := range lowest(rank, s.LabelNoise) {
		samples[i].given = 1 - samples[i].truth
	}
	return samples
}

// lowest returns the indices of the lowest ranks: a share of all ranks, rounded to a whole number.
func lowest(rank []float64, share float64) []int {
	order := make([]int, len(rank))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank[a], rank[b]) })
	return order[:int(math.Round(share*float64(len(rank))))]
}

// generator returns the random number generator of one named thing, for example a sample or a package. It
// depends on the set's seed and the name alone.
func (s Spec) generator(name string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	return rand.New(rand.NewPCG(uint64(s.Seed), hash.Sum64()))
}

// printRun holds the properties that all samples of a package share.
type printRun struct {
	gain     map[string]float64 // by light: factor on the brightness
	ink      float64            // density of the print, 0 to 1
	penScale float64            // factor on the width of the logo's strokes
	dx, dy   float64            // offset of the print on the eraser, in parts of the frame's side
	turn     float64            // rotation of the print on the eraser, radians
	rubber   float64            // factor on the brightness of the rubber
}

// printRun returns the print run of a package.
func (s Spec) printRun(pkg string) printRun {
	random := s.generator("package " + pkg)
	around := func(spread float64) float64 { return spread * (2*random.Float64() - 1) }
	run := printRun{
		ink:      0.90 + around(0.06),
		penScale: 1 + around(0.05),
		dx:       around(0.010),
		dy:       around(0.010),
		turn:     around(0.009), // 0.5 degrees
		rubber:   1 + around(0.02),
		gain:     map[string]float64{},
	}
	// Every light draws a number, also one without a channel, so that a set with fewer channels has the same
	// images in those channels.
	for _, l := range lights {
		run.gain[l.name] = 1 + around(0.05)
	}
	return run
}
