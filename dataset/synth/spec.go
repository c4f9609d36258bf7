// What to make, and the plan that follows from it: which samples are defective
// and how badly, which labels lie, how each package was printed.

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

// Spec says what set to make.
type Spec struct {
	Samples     int
	Prevalence  float64 // share of truly defective samples, met exactly up to rounding
	MinSeverity float64 // severities are uniform from here to 1
	LabelNoise  float64 // share of labels that are flipped in labels.csv
	Seed        int64
	Size        int // pixels a side
	PackageSize int // erasers to a package; the last one may hold fewer
	Channels    []string
	Grid        *dataset.Grid // photographs of whole packages with these cells; nil: every eraser by itself
}

// Bounds of Size: below, a logo is no logo; above, one set would fill a disk.
const (
	minSize = 32
	maxSize = 1024
)

// Bounds of a grid: at the largest size a photograph is then at most 32 * 1024
// pixels a side and 64 * 1024^2 in all, which is what dataset reads.
const (
	maxGridSide  = 32
	maxGridCells = 64
)

// Check says everything that is wrong with a spec, in the words of the flags.
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
			wrong = append(wrong, fmt.Errorf("grid %s is not between 1 x 1 and %d cells, at most %d a side", g, maxGridCells, maxGridSide))
		case s.PackageSize > g.Cells():
			wrong = append(wrong, fmt.Errorf("package-size %d does not fit into the %d cells of a %s grid", s.PackageSize, g.Cells(), g))
		case g.Margin != dataset.Margin{}:
			wrong = append(wrong, errors.New("grid: margins cannot be made"))
		}
	}
	if len(s.Channels) == 0 {
		wrong = append(wrong, errors.New("channels is empty"))
	}
	for i, name := range s.Channels {
		if _, known := lightByName(name); !known {
			wrong = append(wrong, fmt.Errorf("channels: there is no light %q; there are %s", name, strings.Join(Lights(), ", ")))
		}
		if slices.Contains(s.Channels[:i], name) {
			wrong = append(wrong, fmt.Errorf("channels: %s is listed twice", name))
		}
	}
	return errors.Join(wrong...)
}

// piece is one eraser of the plan.
type piece struct {
	id       string
	pkg      string
	position int
	truth    dataset.Label
	given    dataset.Label // what labels.csv will say
	kind     kind          // none for a normal one
	severity float64       // 0 for a normal one
}

// plan decides everything but the pictures.
func (s Spec) plan() []piece {
	random := s.generator("plan")
	pieces := make([]piece, s.Samples)
	digits := max(4, len(fmt.Sprint(s.Samples)))
	// Defects come in clusters, as a badly set press makes more of them: a
	// sample's rank is an exponential draw divided by its package's weight, and
	// the lowest ranks are defective.
	rank := make([]float64, s.Samples)
	weight := 1.0
	for i := range pieces {
		if i%s.PackageSize == 0 {
			weight = 0.5 + random.Float64()
		}
		pieces[i] = piece{
			id:       fmt.Sprintf("e%0*d", digits, i+1),
			pkg:      fmt.Sprintf("p%0*d", digits-1, i/s.PackageSize+1),
			position: i%s.PackageSize + 1,
		}
		rank[i] = random.ExpFloat64() / weight
	}
	for k, i := range lowest(rank, s.Prevalence) {
		pieces[i].truth = dataset.Defect
		pieces[i].kind = kinds[k%len(kinds)] // every kind equally often
		pieces[i].severity = s.MinSeverity + (1-s.MinSeverity)*random.Float64()
	}
	for i := range rank {
		rank[i] = random.Float64()
		pieces[i].given = pieces[i].truth
	}
	for _, i := range lowest(rank, s.LabelNoise) {
		pieces[i].given = 1 - pieces[i].truth
	}
	return pieces
}

// lowest returns the indices of the given share of lowest ranks.
func lowest(rank []float64, share float64) []int {
	order := make([]int, len(rank))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank[a], rank[b]) })
	return order[:int(math.Round(share*float64(len(rank))))]
}

// generator returns the random numbers of one named thing (a sample, a package).
func (s Spec) generator(name string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	return rand.New(rand.NewPCG(uint64(s.Seed), hash.Sum64()))
}

// printRun is what all erasers of a package share.
type printRun struct {
	gain   map[string]float64 // of each light
	ink    float64            // density of the print
	stroke float64            // relative width of the print's lines
	dx, dy float64            // offset of the print on the eraser
	turn   float64            // of the print on the eraser, radians
	rubber float64            // relative brightness of the rubber
}

func (s Spec) printRun(pkg string) printRun {
	random := s.generator("package " + pkg)
	around := func(spread float64) float64 { return spread * (2*random.Float64() - 1) }
	run := printRun{
		ink:    0.90 + around(0.06),
		stroke: 1 + around(0.05),
		dx:     around(0.010),
		dy:     around(0.010),
		turn:   around(0.009), // 0.5 degrees
		rubber: 1 + around(0.02),
		gain:   map[string]float64{},
	}
	for _, l := range lights { // all of them, so that fewer channels change nothing else
		run.gain[l.name] = 1 + around(0.05)
	}
	return run
}
