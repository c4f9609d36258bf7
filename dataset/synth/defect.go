// What goes wrong with a print, as changes to the surface: each kind by its
// cause, from barely to plainly visible with the severity.

package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
)

type kind string

const (
	none          kind = ""
	missingStroke kind = "missing-stroke" // the ink did not take along a line
	smear         kind = "smear"          // wiped before it was dry
	faintPrint    kind = "faint-print"    // the pad ran dry in places
	doublePrint   kind = "double-print"   // the pad came down twice
	cutOff        kind = "cut-off"        // the pad missed a side
	blot          kind = "blot"           // a drop of ink
	scratch       kind = "scratch"        // something sharp, through ink and rubber
)

var kinds = []kind{missingStroke, smear, faintPrint, doublePrint, cutOff, blot, scratch}

// box is the part of an image that a defect changed, in pixels.
type box struct{ x, y, w, h int }

// tries bounds the search for a place where a defect shows: a blot on ink
// changes nothing.
const tries = 30

// damage applies a defect and returns what it changed, in pixels of an image
// of the given size.
func (s *surface) damage(k kind, severity float64, size int, random *rand.Rand) box {
	if k == none {
		return box{}
	}
	ink, height, scuff := s.ink, s.height, s.scuff
	var changed box
	for range tries {
		s.ink, s.height, s.scuff = ink.clone(), height.clone(), scuff.clone()
		s.apply(k, severity, random)
		var visible int
		changed, visible = difference(ink, s.ink, scuff, s.scuff, size)
		// At least the area of a third of a letter's stem at severity 1.
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

// missStroke leaves a length of the print out, beginning somewhere in a stroke
// and going on into its neighbours.
func (s *surface) missStroke(severity float64, random *rand.Rand) {
	left := 0.65 * severity * math.Sqrt(severity) // the L has 0.30
	first := random.IntN(len(s.print))
	gone := newField(s.ink.n)
	for k := range s.print {
		next := s.print[(first+k)%len(s.print)]
		length := next.length()
		from := 0.0
		if k == 0 && left < length {
			from = (length - left) * random.Float64()
		}
		to := min(from+left, length)
		part := next.part(from, to)
		part.width += 0.010 // beyond the ink's soft edge, or an outline would stay
		s.printStrokes(gone, []stroke{part}, 1, point{})
		if left -= to - from; left <= 0.005 {
			break
		}
	}
	for i := range s.ink.v {
		s.ink.v[i] *= 1 - 0.97*gone.v[i]
	}
}

// smear wipes the ink inside a patch in one direction.
func (s *surface) smear(severity float64, random *rand.Rand) {
	middle := s.onLogo(random, 0.30, 0.18)
	radius := 0.08 + 0.15*severity
	angle := 2 * math.Pi * random.Float64()
	way := point{math.Cos(angle), math.Sin(angle)}
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
			dragged = max(dragged, before.sample(p.add(way.scale(-length*t)))*(1-0.7*t))
		}
		return max(ink*(1-0.25*patch*severity), dragged*patch*(0.30+0.65*severity))
	})
}

// fade thins the print in a patch.
func (s *surface) fade(severity float64, random *rand.Rand) {
	middle := s.onLogo(random, 0.28, 0.14)
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

// printAgain adds the print a second time, a little off.
func (s *surface) printAgain(severity float64, random *rand.Rand) {
	angle := 2 * math.Pi * random.Float64()
	shift := 0.018 + 0.037*severity
	again := newField(s.ink.n)
	s.printStrokes(again, s.print, 0.22+0.55*severity, point{shift * math.Cos(angle), shift * math.Sin(angle)})
	s.ink.each(func(p point, ink float64) float64 { return max(ink, again.sample(p)) })
}

// cutOff leaves one side of the print out, along a slightly slanted line.
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
		var beyond float64 // how far inside the logo's edge on that side
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

// blot drops ink: round, with an uneven outline and a few splashes.
func (s *surface) blot(severity float64, random *rand.Rand) {
	middle := s.onLogo(random, 0.40, 0.26)
	radius := 0.018 + 0.085*severity
	density := 0.55 + 0.40*severity
	outline := noise(s.ink.n, 12, random)
	k := -1
	s.ink.each(func(p point, ink float64) float64 {
		k++
		d := distance(p, middle) + 0.25*radius*outline.v[k]
		return max(ink, density*(1-smooth(radius-0.008, radius+0.008, d)))
	})
	for range random.IntN(4) {
		angle, far := 2*math.Pi*random.Float64(), radius*(1.3+0.7*random.Float64())
		at := middle.add(point{far * math.Cos(angle), far * math.Sin(angle)})
		s.ink.draw([]point{at, at}, radius*(0.10+0.12*random.Float64()), density)
	}
}

// scratch takes ink off along a bent line and leaves a groove with raised lips.
func (s *surface) scratch(severity float64, random *rand.Rand) {
	angle := math.Pi * random.Float64()
	half := (0.12 + 0.60*severity) / 2
	way := point{math.Cos(angle), math.Sin(angle)}
	middle := s.onLogo(random, 0.22, 0.12)
	bend := 0.05 * (2*random.Float64() - 1)
	var path []point
	for i := -8; i <= 8; i++ {
		t := float64(i) / 8
		path = append(path, middle.add(way.scale(half*t)).add(point{-way.y, way.x}.scale(bend*(1-t*t))))
	}
	width := 0.004 + 0.018*severity
	core, lips := newField(s.ink.n), newField(s.ink.n)
	core.draw(path, width, 1)
	lips.draw(path, 2*width, 1)
	for i := range core.v {
		s.ink.v[i] *= 1 - (0.45+0.5*severity)*core.v[i]
		s.height.v[i] += (0.0015 + 0.0045*severity) * (0.5*lips.v[i] - 1.5*core.v[i])
		s.scuff.v[i] = max(s.scuff.v[i], (0.3+0.6*severity)*core.v[i])
	}
}

// onLogo is a place near the logo's middle, in the frame's coordinates.
func (s *surface) onLogo(random *rand.Rand, rx, ry float64) point {
	return s.toFrame(point{rx * (2*random.Float64() - 1), ry * (2*random.Float64() - 1)})
}

// difference is the box of what changed, in pixels of an image of size, and how
// many of the fields' pixels did.
func difference(ink0, ink1, scuff0, scuff1 field, size int) (changed box, visible int) {
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
