// The surface of one eraser: the outline of its body, the density of the ink and the height at every point.
// The lights are in light.go.

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
	rubber field // factor on the brightness of the unprinted rubber, around 1
	scuff  field // how rough a scratch has made the surface, 0..1

	toFrame  func(p point) point // converts the logo's coordinates to the frame's
	strokes  []stroke            // the print, in the logo's coordinates
	penScale float64             // factor on the width of the strokes
}

// The body, in parts of the frame's side. It fills most of the frame, so that the print stays readable in a
// small image.
const (
	bodyHalfWidth  = 0.460
	bodyHalfHeight = 0.360
	bodyCorner     = 0.070
	bevel          = 0.035 // width of the rounded edge
	bevelHeight    = 0.030
	inkHeight      = 0.0022 // height of printed ink above the rubber
)

// newSurface returns an eraser of a print run without a defect. Its fields have n pixels on a side.
func newSurface(n int, run printRun, random *rand.Rand) *surface {
	around := func(spread float64) float64 { return spread * (2*random.Float64() - 1) }
	s := &surface{
		inside:   newField(n),
		ink:      newField(n),
		height:   newField(n),
		scuff:    newField(n),
		penScale: run.penScale,
	}

	// The gripper places every eraser a little differently. The print moves and turns with the body; its
	// offset on the body is that of the print run and a small one for each eraser.
	middle, turn := point{0.5 + around(0.008), 0.5 + around(0.008)}, around(0.012) // 0.7 degrees
	sin, cos := math.Sin(turn), math.Cos(turn)
	offset := point{run.dx + around(0.003), run.dy + around(0.003)}
	printSin, printCos := math.Sin(turn+run.turn), math.Cos(turn+run.turn)
	s.toFrame = func(p point) point { return middle.add(offset.turn(sin, cos)).add(p.turn(printSin, printCos)) }
	fromOutline := func(p point) float64 { return bodyDistance(p.add(middle.scale(-1)).turn(-sin, cos)) }

	s.inside.each(func(p point, _ float64) float64 {
		return 1 - smooth(-0.75/float64(n), 0.75/float64(n), fromOutline(p))
	})
	grain := noise(n, 48, random)
	waves := noise(n, 5, random)
	s.height.each(func(p point, _ float64) float64 {
		depth := min(max(-fromOutline(p)/bevel, 0), 1)
		return bevelHeight * (1 - (1-depth)*(1-depth))
	})
	s.rubber = newField(n)
	for i := range s.rubber.v {
		s.rubber.v[i] = run.rubber * (1 + 0.010*grain.v[i] + 0.015*waves.v[i])
		s.height.v[i] += 0.00035*grain.v[i] + 0.0012*waves.v[i]
	}

	s.strokes = logo()
	s.printStrokes(s.ink, s.strokes, run.ink, point{})
	mottle, fine := noise(n, 9, random), noise(n, 64, random)
	for i := range s.ink.v {
		s.ink.v[i] *= 1 + 0.05*mottle.v[i] + 0.06*fine.v[i]
	}
	// Up to two specks of dust, because not every dark spot is a defect.
	for range random.IntN(3) {
		from := point{0.08 + 0.84*random.Float64(), 0.18 + 0.64*random.Float64()}
		to := from.add(point{around(0.008), around(0.008)})
		halfWidth := 0.003 + 0.004*random.Float64()
		density := 0.35 + 0.3*random.Float64()
		s.ink.draw([]point{from, to}, halfWidth, density)
	}
	return s
}

// printStrokes draws strokes into a field of ink, moved by shift in the logo's coordinates.
func (s *surface) printStrokes(ink field, strokes []stroke, density float64, shift point) {
	for _, st := range strokes {
		path := make([]point, len(st.path))
		for i, p := range st.path {
			path[i] = s.toFrame(p.add(shift))
		}
		ink.draw(path, st.halfWidth*s.penScale, density)
	}
}

// bodyDistance returns the distance of p from the body's outline, negative inside. p is relative to the
// body's middle.
func bodyDistance(p point) float64 {
	x := math.Abs(p.x) - bodyHalfWidth + bodyCorner
	y := math.Abs(p.y) - bodyHalfHeight + bodyCorner
	return math.Hypot(max(x, 0), max(y, 0)) + min(max(x, y), 0) - bodyCorner
}
