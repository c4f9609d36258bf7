// The printed logo as vector strokes: a plumb bob in a ring, with two lines on each side, above the word
// PLUMB. Coordinates are parts of the frame's side. The origin is the logo's centre, and y points down.

package synth

import "math"

type point struct{ x, y float64 }

func (p point) add(q point) point           { return point{p.x + q.x, p.y + q.y} }
func (p point) scale(f float64) point       { return point{p.x * f, p.y * f} }
func (p point) turn(sin, cos float64) point { return point{p.x*cos - p.y*sin, p.x*sin + p.y*cos} } // around the origin

// stroke is a polyline of one width.
type stroke struct {
	path      []point
	halfWidth float64
}

const (
	pen        = 0.020 // half the width of a usual stroke; the whole stroke has 2.6 pixels in an image of 64 x 64
	logoWidth  = 0.78
	logoHeight = 0.52
)

// logo returns the strokes in an order in which neighbours in the list are neighbours on the eraser.
func logo() []stroke {
	strokes := []stroke{
		line(pen, -0.38, -0.16, -0.19, -0.16), line(pen*0.7, -0.33, -0.09, -0.19, -0.09),
		arc(pen, 0, -0.125, 0.125, 0.125, 0, 2*math.Pi),
		line(pen*0.7, 0, -0.235, 0, -0.13),                     // the string
		line(pen, -0.035, -0.125, 0.035, -0.125),               // the bob's shoulders
		line(pen*1.1, -0.025, -0.115, 0, -0.05, 0.025, -0.115), // and its point
		line(pen, 0.19, -0.16, 0.38, -0.16), line(pen*0.7, 0.19, -0.09, 0.33, -0.09),
	}
	const (
		top, bottom = 0.045, 0.245
		middle      = (top + bottom) / 2
		wide        = 0.11
	)
	// P, L, U, M, B: x is the left edge of each letter.
	x := -0.385
	strokes = append(strokes, line(pen, x, top, x, bottom), bow(x, wide, top, middle+0.01))
	x += 0.165
	strokes = append(strokes, line(pen, x, top, x, bottom, x+wide*0.9, bottom))
	x += 0.160
	u := arc(pen, x+wide/2, bottom-wide/2, wide/2, wide/2, math.Pi, 2*math.Pi)
	u.path = append(append([]point{{x, top}}, u.path...), point{x + wide, top})
	strokes = append(strokes, u)
	x += 0.165
	strokes = append(strokes, line(pen, x, bottom, x, top, x+0.065, middle+0.03, x+0.13, top, x+0.13, bottom))
	x += 0.185
	strokes = append(strokes,
		line(pen, x, top, x, bottom),
		bow(x, wide*0.9, top, middle),
		bow(x, wide, middle, bottom))
	return strokes
}

// line returns a stroke through the points whose coordinates are xy: x, y, x, y, and so on.
func line(halfWidth float64, xy ...float64) stroke {
	s := stroke{halfWidth: halfWidth}
	for i := 0; i+1 < len(xy); i += 2 {
		s.path = append(s.path, point{xy[i], xy[i+1]})
	}
	return s
}

// arc returns a part of an ellipse around (x, y), from one angle to another. 24 segments look round at any
// size of image.
func arc(halfWidth, x, y, rx, ry, from, to float64) stroke {
	const steps = 24
	s := stroke{halfWidth: halfWidth}
	for i := range steps + 1 {
		angle := from + (to-from)*float64(i)/steps
		s.path = append(s.path, point{x + rx*math.Cos(angle), y - ry*math.Sin(angle)})
	}
	return s
}

// bow returns the round part of a P or a B, to the right of a stem at x.
func bow(x, wide, top, bottom float64) stroke {
	r := (bottom - top) / 2
	s := arc(pen, x+wide-r, top+r, r, r, math.Pi/2, -math.Pi/2)
	s.path = append(append([]point{{x, top}}, s.path...), point{x, bottom})
	return s
}

func (s stroke) length() float64 {
	var sum float64
	for i := 1; i < len(s.path); i++ {
		sum += distance(s.path[i-1], s.path[i])
	}
	return sum
}

// part returns the part of the stroke between two distances from its start.
func (s stroke) part(from, to float64) stroke {
	part := stroke{halfWidth: s.halfWidth}
	var at float64
	for i := 1; i < len(s.path); i++ {
		a, b := s.path[i-1], s.path[i]
		step := distance(a, b)
		if at+step >= from && at <= to && step > 0 {
			pointAt := func(d float64) point { return a.add(b.add(a.scale(-1)).scale(min(max((d-at)/step, 0), 1))) }
			if len(part.path) == 0 {
				part.path = append(part.path, pointAt(from))
			}
			part.path = append(part.path, pointAt(to))
		}
		at += step
	}
	return part
}

func distance(a, b point) float64 { return math.Hypot(a.x-b.x, a.y-b.y) }
