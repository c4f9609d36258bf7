// A field is one property of the surface (how much ink, how high, how light)
// over the whole frame; drawing and disturbing fields is all that a scene needs.

package synth

import (
	"math"
	"math/rand/v2"
)

// field holds n x n values over the unit square.
type field struct {
	n int
	v []float64
}

func newField(n int) field { return field{n, make([]float64, n*n)} }

// at takes the value at a pixel, the border repeated outside.
func (f field) at(x, y int) float64 {
	return f.v[min(max(y, 0), f.n-1)*f.n+min(max(x, 0), f.n-1)]
}

// sample interpolates between pixels; p is in parts of the side.
func (f field) sample(p point) float64 {
	x, y := p.x*float64(f.n)-0.5, p.y*float64(f.n)-0.5
	x0, y0 := math.Floor(x), math.Floor(y)
	fx, fy := x-x0, y-y0
	i, j := int(x0), int(y0)
	return (f.at(i, j)*(1-fx)+f.at(i+1, j)*fx)*(1-fy) + (f.at(i, j+1)*(1-fx)+f.at(i+1, j+1)*fx)*fy
}

// centre is the place of a pixel's middle.
func (f field) centre(x, y int) point {
	return point{(float64(x) + 0.5) / float64(f.n), (float64(y) + 0.5) / float64(f.n)}
}

// each replaces every value by what change makes of it and its place.
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

// draw lays a stroke with soft edges over the field: the larger value wins.
func (f field) draw(path []point, halfWidth, density float64) {
	soft := 0.75 / float64(f.n) // an edge of one and a half pixels
	for i := 1; i < len(path); i++ {
		a, b := path[i-1], path[i]
		reach := halfWidth + soft
		x0, x1 := f.pixels(min(a.x, b.x)-reach, max(a.x, b.x)+reach)
		y0, y1 := f.pixels(min(a.y, b.y)-reach, max(a.y, b.y)+reach)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				d := toSegment(f.centre(x, y), a, b)
				cover := density * (1 - smooth(halfWidth-soft, halfWidth+soft, d))
				f.v[y*f.n+x] = max(f.v[y*f.n+x], cover)
			}
		}
	}
}

// pixels is the range of pixels between two places, cut at the frame.
func (f field) pixels(from, to float64) (int, int) {
	n := float64(f.n)
	return int(min(max(math.Floor(from*n), 0), n)), int(min(max(math.Ceil(to*n), 0), n))
}

// toSegment is the distance from p to the line between a and b.
func toSegment(p, a, b point) float64 {
	along, to := point{b.x - a.x, b.y - a.y}, point{p.x - a.x, p.y - a.y}
	square := along.x*along.x + along.y*along.y
	t := 0.0
	if square > 0 {
		t = min(max((to.x*along.x+to.y*along.y)/square, 0), 1)
	}
	return distance(to, along.scale(t))
}

// smooth rises from 0 at from to 1 at to, level at both ends.
func smooth(from, to, x float64) float64 {
	t := min(max((x-from)/(to-from), 0), 1)
	return t * t * (3 - 2*t)
}

// noise is a smooth random field with values around 0, about -1 to 1, and
// cells to a side.
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
		return (knots.at(i, j)*(1-fx)+knots.at(i+1, j)*fx)*(1-fy) + (knots.at(i, j+1)*(1-fx)+knots.at(i+1, j+1)*fx)*fy
	})
	return f
}
