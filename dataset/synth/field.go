// Fields: a field is one property of the surface (density of ink, height, brightness) over the whole
// frame. A surface is made by drawing into fields and adding noise to them.

package synth

import (
	"math"
	"math/rand/v2"
)

// field holds n x n values over the unit square. Coordinates are parts of the side: (0, 0) is the top left
// corner, (1, 1) the bottom right.
type field struct {
	n int
	v []float64
}

func newField(n int) field { return field{n, make([]float64, n*n)} }

// at returns the value at a pixel. Outside the field it returns the value of the nearest border pixel.
func (f field) at(x, y int) float64 {
	return f.v[min(max(y, 0), f.n-1)*f.n+min(max(x, 0), f.n-1)]
}

// sample returns the value at p, linearly interpolated between pixels.
func (f field) sample(p point) float64 {
	x, y := p.x*float64(f.n)-0.5, p.y*float64(f.n)-0.5
	x0, y0 := math.Floor(x), math.Floor(y)
	fx, fy := x-x0, y-y0
	i, j := int(x0), int(y0)
	return (f.at(i, j)*(1-fx)+f.at(i+1, j)*fx)*(1-fy) + (f.at(i, j+1)*(1-fx)+f.at(i+1, j+1)*fx)*fy
}

// centre returns the centre of a pixel.
func (f field) centre(x, y int) point {
	return point{(float64(x) + 0.5) / float64(f.n), (float64(y) + 0.5) / float64(f.n)}
}

// each replaces every value v by change(p, v), where p is the centre of its pixel.
func (f field) each(change func(p point, v float64) float64) {
	for y := range f.n {
		for x := range f.n {
			f.v[y*f.n+x] = change(f.centre(x, y), f.v[y*f.n+x])
		}
	}
}

func (f field) clone() field {
	c := newField(f.n)
	copy(c.v, f.v)
	return c
}

// draw draws a stroke with soft edges into the field. Where the field already has a larger value, that
// value stays.
func (f field) draw(path []point, halfWidth, density float64) {
	soft := 0.75 / float64(f.n) // half the width of the soft edge, which is one and a half pixels
	for i := 1; i < len(path); i++ {
		a, b := path[i-1], path[i]
		reach := halfWidth + soft
		x0, x1 := f.pixels(min(a.x, b.x)-reach, max(a.x, b.x)+reach)
		y0, y1 := f.pixels(min(a.y, b.y)-reach, max(a.y, b.y)+reach)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				d := segmentDistance(f.centre(x, y), a, b)
				cover := density * (1 - smooth(halfWidth-soft, halfWidth+soft, d))
				f.v[y*f.n+x] = max(f.v[y*f.n+x], cover)
			}
		}
	}
}

// pixels returns the range of pixels between two coordinates, clipped to the frame.
func (f field) pixels(from, to float64) (int, int) {
	n := float64(f.n)
	return int(min(max(math.Floor(from*n), 0), n)), int(min(max(math.Ceil(to*n), 0), n))
}

// segmentDistance returns the distance from p to the line segment between a and b.
func segmentDistance(p, a, b point) float64 {
	along, to := point{b.x - a.x, b.y - a.y}, point{p.x - a.x, p.y - a.y}
	square := along.x*along.x + along.y*along.y
	t := 0.0
	if square > 0 {
		t = min(max((to.x*along.x+to.y*along.y)/square, 0), 1)
	}
	return distance(to, along.scale(t))
}

// smooth returns the smoothstep function: it rises from 0 at from to 1 at to, with slope 0 at both ends.
func smooth(from, to, x float64) float64 {
	t := min(max((x-from)/(to-from), 0), 1)
	return t * t * (3 - 2*t)
}

// noise returns a smooth random field with values from -1 to 1. It has cells x cells cells: the values at
// the corners of the cells are random, the values between them are interpolated.
func noise(n, cells int, random *rand.Rand) field {
	knots := newField(cells + 1)
	for i := range knots.v {
		knots.v[i] = 2*random.Float64() - 1
	}
	f := newField(n)
	f.each(func(p point, _ float64) float64 {
		x, y := p.x*float64(cells), p.y*float64(cells)
		i, j := int(x), int(y)
		fx, fy := smooth(0, 1, x-float64(i)), smooth(0, 1, y-float64(j))
		top := knots.at(i, j)*(1-fx) + knots.at(i+1, j)*fx
		bottom := knots.at(i, j+1)*(1-fx) + knots.at(i+1, j+1)*fx
		return top*(1-fy) + bottom*fy
	})
	return f
}
