// The defects of a print, as changes to the surface. Each kind imitates its physical cause. A severity
// near 0 is barely visible, 1 is obvious.

package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
)

type kind string

const (
	none          kind = ""
	missingStroke kind = "missing-stroke" // the ink did not stick along a line
	smear         kind = "smear"          // the ink was wiped before it was dry
	faintPrint    kind = "faint-print"    // the printing pad was dry in places
	doublePrint   kind = "double-print"   // the pad printed twice
	cutOff        kind = "cut-off"        // the pad missed one side
	blot          kind = "blot"           // a drop of ink fell on the eraser
	scratch       kind = "scratch"        // something sharp cut through ink and rubber
)

var kinds = []kind{missingStroke, smear, faintPrint, doublePrint, cutOff, blot, scratch}

// box is the rectangle that a defect changed, in pixels of the image.
type box struct{ x, y, w, h int }

// maxTries bounds the search for a place where a defect is visible: a blot on ink, for example, is not.
const maxTries = 30

// addDefect applies a defect of a kind and returns the box that it changed, in pixels of an image with
// size pixels a side.
func (s *surface) addDefect(k kind, severity float64, size int, random *rand.Rand) box {
	if k == none {
		return box{}
	}
	ink, height, scuff := s.ink, s.height, s.scuff
	var changed box
	for range maxTries {
		s.ink, s.height, s.scuff = ink.clone(), height.clone(), scuff.clone()
		s.apply(k, severity, random)
		var visible int
		changed, visible = changedBox(ink, s.ink, scuff, s.scuff, size)
		// At severity 1 this is the area of a third of a letter's stem.
		if float64(visible) >= 0.0018*severity*float64(len(ink.v)) {
			break
		}
	}
	return changed
}

func (s *surface) apply(k kind, severity float64, random *rand.Rand) {
	switch k {
	case missingStroke:
		s.missStroke(severity, random)
	case smear:
		s.smear(severity, random)
	case faintPrint:
		s.fade(severity, random)
	case doublePrint:
		s.printAgain(severity, random)
	case cutOff:
		s.cutOff(severity, random)
	case blot:
		s.blot(severity, random)
	case scratch:
		s.scratch(severity, random)
	default:
		panic(fmt.Sprintf("no such defect: %q", k))
	}
}

// missStroke removes a length of the print. The gap begins somewhere in a stroke and may continue into the
// next strokes.
func (s *surface) missStroke(severity float64, random *rand.Rand) {
	remaining := 0.65 * severity * math.Sqrt(severity) // for comparison, the strokes of the L are 0.30 long
	first := random.IntN(len(s.strokes))
	gone := newField(s.ink.n)
	for k := range s.strokes {
		next := s.strokes[(first+k)%len(s.strokes)]
		length := next.length()
		from := 0.0
		if k == 0 && remaining < length {
			from = (length - remaining) * random.Float64()
		}
		to := min(from+remaining, length)
		part := next.part(from, to)
		part.halfWidth += 0.010 // beyond the soft edge of the ink; otherwise an outline would remain
		s.printStrokes(gone, []stroke{part}, 1, point{})
		if remaining -= to - from; remaining <= 0.005 {
			break
		}
	}
	for i := range s.ink.v {
		s.ink.v[i] *= 1 - 0.97*gone.v[i]
	}
}

// smear wipes the ink inside a patch in one direction.
func (s *surface) smear(severity float64, random *rand.Rand) {
	middle := s.pointOnLogo(random, 0.30, 0.18)
	radius := 0.08 + 0.15*severity
	angle := 2 * math.Pi * random.Float64()
	direction := point{math.Cos(angle), math.Sin(angle)}
	length := 0.02 + 0.20*severity
	before := s.ink.clone()
	const steps = 24
	s.ink.each(func(p point, ink float64) float64 {
		patch := 1 - smooth(0.7*radius, radius, distance(p, middle))
		if patch == 0 {
			return ink
		}
		var dragged float64
		for i := 1; i <= steps; i++ {
			t := float64(i) / steps
			dragged = max(dragged, before.sample(p.add(direction.scale(-length*t)))*(1-0.7*t))
		}
		return max(ink*(1-0.25*patch*severity), dragged*patch*(0.30+0.65*severity))
	})
}

// fade makes the print fainter in a patch.
func (s *surface) fade(severity float64, random *rand.Rand) {
	middle := s.pointOnLogo(random, 0.28, 0.14)
	radius := 0.14 + 0.26*severity
	loss := 0.25 + 0.65*severity
	uneven := noise(s.ink.n, 14, random)
	k := -1
	s.ink.each(func(p point, ink float64) float64 {
		k++
		patch := 1 - smooth(0.5*radius, radius*1.15, distance(p, middle)+0.03*uneven.v[k])
		return ink * (1 - loss*patch)
	})
}

// printAgain adds a second, fainter print with a small offset.
func (s *surface) printAgain(severity float64, random *rand.Rand) {
	angle := 2 * math.Pi * random.Float64()
	shift := 0.018 + 0.037*severity
	again := newField(s.ink.n)
	offset := point{shift * math.Cos(angle), shift * math.Sin(angle)}
	s.printStrokes(again, s.strokes, 0.22+0.55*severity, offset)
	s.ink.each(func(p point, ink float64) float64 { return max(ink, again.sample(p)) })
}

// cutOff removes one side of the print, along a slightly slanted line.
func (s *surface) cutOff(severity float64, random *rand.Rand) {
	side := random.IntN(4)
	depth := (0.02 + 0.28*severity) * logoWidth
	if side >= 2 {
		depth = (0.04 + 0.36*severity) * logoHeight
	}
	slant := 0.12 * (2*random.Float64() - 1)
	origin := s.toFrame(point{})
	s.ink.each(func(p point, ink float64) float64 {
		q := p.add(origin.scale(-1))
		var beyond float64 // the distance from the logo's edge on that side; positive inside the logo
		switch side {
		case 0:
			beyond = q.x + logoWidth/2 + slant*q.y
		case 1:
			beyond = logoWidth/2 - q.x + slant*q.y
		case 2:
			beyond = q.y + logoHeight/2 + slant*q.x
		case 3:
			beyond = logoHeight/2 - q.y + slant*q.x
		}
		return ink * smooth(depth-0.006, depth+0.006, beyond)
	})
}

// blot adds a round drop of ink with an uneven outline and a few splashes.
func (s *surface) blot(severity float64, random *rand.Rand) {
	middle := s.pointOnLogo(random, 0.40, 0.26)
	radius := 0.018 + 0.085*severity
	density := 0.55 + 0.40*severity
	uneven := noise(s.ink.n, 12, random)
	k := -1
	s.ink.each(func(p point, ink float64) float64 {
		k++
		d := distance(p, middle) + 0.25*radius*uneven.v[k]
		return max(ink, density*(1-smooth(radius-0.008, radius+0.008, d)))
	})
	for range random.IntN(4) {
		angle, d := 2*math.Pi*random.Float64(), radius*(1.3+0.7*random.Float64())
		at := middle.add(point{d * math.Cos(angle), d * math.Sin(angle)})
		s.ink.draw([]point{at, at}, radius*(0.10+0.12*random.Float64()), density)
	}
}

// scratch removes ink along a bent line and leaves a groove with raised edges.
func (s *surface) scratch(severity float64, random *rand.Rand) {
	angle := math.Pi * random.Float64()
	halfLength := (0.12 + 0.60*severity) / 2
	direction := point{math.Cos(angle), math.Sin(angle)}
	across := point{-direction.y, direction.x}
	middle := s.pointOnLogo(random, 0.22, 0.12)
	bend := 0.05 * (2*random.Float64() - 1)
	var path []point
	for i := -8; i <= 8; i++ {
		t := float64(i) / 8
		path = append(path, middle.add(direction.scale(halfLength*t)).add(across.scale(bend*(1-t*t))))
	}
	halfWidth := 0.004 + 0.018*severity
	groove, edges := newField(s.ink.n), newField(s.ink.n)
	groove.draw(path, halfWidth, 1)
	edges.draw(path, 2*halfWidth, 1)
	for i := range groove.v {
		s.ink.v[i] *= 1 - (0.45+0.5*severity)*groove.v[i]
		s.height.v[i] += (0.0015 + 0.0045*severity) * (0.5*edges.v[i] - 1.5*groove.v[i])
		s.scuff.v[i] = max(s.scuff.v[i], (0.3+0.6*severity)*groove.v[i])
	}
}

// pointOnLogo returns a random point at most rx and ry from the logo's middle, in the frame's coordinates.
func (s *surface) pointOnLogo(random *rand.Rand, rx, ry float64) point {
	return s.toFrame(point{rx * (2*random.Float64() - 1), ry * (2*random.Float64() - 1)})
}

// changedBox compares two states of a surface. It returns the box of the changed pixels, in pixels of an
// image with size pixels a side, and the number of the fields' pixels that changed visibly.
func changedBox(ink0, ink1, scuff0, scuff1 field, size int) (changed box, visible int) {
	n := ink0.n
	x0, y0, x1, y1 := n, n, 0, 0
	for y := range n {
		for x := range n {
			i := y*n + x
			if math.Abs(ink0.v[i]-ink1.v[i]) < 0.12 && math.Abs(scuff0.v[i]-scuff1.v[i]) < 0.12 {
				continue
			}
			visible++
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x+1), max(y1, y+1)
		}
	}
	if visible == 0 {
		return box{}, 0
	}
	scale := n / size
	x0, y0 = x0/scale, y0/scale
	return box{x0, y0, (x1+scale-1)/scale - x0, (y1+scale-1)/scale - y0}, visible
}
