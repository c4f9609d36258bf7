// One eraser as a physical thing: where its body lies, how much ink is where,
// how high the surface stands. Light comes later.

package synth

import (
	"math"
	"math/rand/v2"
)

// surface is an eraser below the camera.
type surface struct {
	inside field // 1 on the eraser, 0 on the tray
	ink    field // density of the print, 0..1
	height field // in parts of the frame's side
	rubber field // brightness of the unprinted material, around 1
	scuff  field // how far a scratch has roughened the surface, 0..1

	toFrame func(p point) point // from the logo's coordinates to the frame's
	print   []stroke            // what was printed, in the logo's coordinates
	pen     float64             // relative width of the strokes
}

// The body fills most of the frame, so that the print stays readable when the
// image is made small.
const (
	bodyHalfWidth  = 0.460
	bodyHalfHeight = 0.360
	bodyCorner     = 0.070
	bevel          = 0.035 // width of the rounded edge
	bevelHeight    = 0.030
	inkHeight      = 0.0022 // printed ink stands above the rubber
)

// newSurface lays a flawless eraser of a package below the camera. n is the
// side in pixels of the fields.
func newSurface(n int, run printRun, random *rand.Rand) *surface {
	around := func(spread float64) float64 { return spread * (2*random.Float64() - 1) }
	s := &surface{inside: newField(n), ink: newField(n), height: newField(n), scuff: newField(n), pen: run.stroke}

	// The gripper lays it down with a little play; the print follows the body
	// with the package's offset and a little of its own.
	middle, turn := point{0.5 + around(0.008), 0.5 + around(0.008)}, around(0.012) // 0.7 degrees
	sin, cos := math.Sin(turn), math.Cos(turn)
	offset := point{run.dx + around(0.003), run.dy + around(0.003)}
	printSin, printCos := math.Sin(turn+run.turn), math.Cos(turn+run.turn)
	s.toFrame = func(p point) point { return middle.add(offset.turn(sin, cos)).add(p.turn(printSin, printCos)) }

	s.inside.each(func(p point, _ float64) float64 {
		return 1 - smooth(-0.75/float64(n), 0.75/float64(n), bodyDistance(p.add(middle.scale(-1)).turn(-sin, cos)))
	})
	grain := noise(n, 48, random)
	waves := noise(n, 5, random)
	s.height.each(func(p point, _ float64) float64 {
		depth := min(max(-bodyDistance(p.add(middle.scale(-1)).turn(-sin, cos))/bevel, 0), 1)
		return bevelHeight * (1 - (1-depth)*(1-depth))
	})
	s.rubber = newField(n)
	for i := range s.rubber.v {
		s.rubber.v[i] = run.rubber * (1 + 0.010*grain.v[i] + 0.015*waves.v[i])
		s.height.v[i] += 0.00035*grain.v[i] + 0.0012*waves.v[i]
	}

	s.print = logo()
	s.printStrokes(s.ink, s.print, run.ink, point{})
	mottle, fine := noise(n, 9, random), noise(n, 64, random)
	for i := range s.ink.v {
		s.ink.v[i] *= 1 + 0.05*mottle.v[i] + 0.06*fine.v[i]
	}
	// A speck of dust now and then: not every dark spot is a defect.
	for range random.IntN(3) {
		at := point{0.08 + 0.84*random.Float64(), 0.18 + 0.64*random.Float64()}
		s.ink.draw([]point{at, at.add(point{around(0.008), around(0.008)})}, 0.003+0.004*random.Float64(), 0.35+0.3*random.Float64())
	}
	return s
}

// printStrokes inks strokes into a field, shifted in the logo's coordinates.
func (s *surface) printStrokes(ink field, strokes []stroke, density float64, shift point) {
	for _, stroke := range strokes {
		path := make([]point, len(stroke.path))
		for i, p := range stroke.path {
			path[i] = s.toFrame(p.add(shift))
		}
		ink.draw(path, stroke.width*s.pen, density)
	}
}

// bodyDistance is the distance to the body's outline, negative inside; p is
// relative to the body's middle.
func bodyDistance(p point) float64 {
	x := math.Abs(p.x) - bodyHalfWidth + bodyCorner
	y := math.Abs(p.y) - bodyHalfHeight + bodyCorner
	return math.Hypot(max(x, 0), max(y, 0)) + min(max(x, y), 0) - bodyCorner
}
