// The six lights and what a camera sees under each. All look straight down; they
// differ in colour, in where the light comes from and in how hard it is.

package synth

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
)

// light is one channel's illumination and exposure.
type light struct {
	name     string
	rubber   float64 // brightness of rubber, ink and tray under this colour, 0..1
	ink      float64
	tray     float64
	exposure float64
	fromX    float64 // direction that the light comes from, in the image plane
	fromY    float64
	relief   float64 // how strongly slopes show
	falloff  float64 // loss of light towards the corners
	gloss    float64 // what the shiny ink adds where it reflects the lamp
	flat     float64 // 0..1: how much of the colours is lost to grazing light
	noise    float64 // of the camera, standard deviation in parts of the range
}

// The ink is blue: almost black in red light, less so in green.
var lights = []light{
	{name: "AM", rubber: 0.78, ink: 0.24, tray: 0.16, exposure: 0.72, fromX: 0.3, fromY: -0.5, relief: 0.25, falloff: 0.22, noise: 0.011},
	{name: "GRAY", rubber: 0.80, ink: 0.22, tray: 0.13, exposure: 0.88, fromX: 0, fromY: -1, relief: 0.45, falloff: 0.10, noise: 0.007},
	{name: "G", rubber: 0.82, ink: 0.30, tray: 0.12, exposure: 0.84, fromX: -0.8, fromY: -0.6, relief: 0.60, falloff: 0.12, noise: 0.008},
	{name: "R", rubber: 0.86, ink: 0.13, tray: 0.15, exposure: 0.86, fromX: 0.8, fromY: -0.6, relief: 0.60, falloff: 0.12, noise: 0.008},
	{name: "W", rubber: 0.84, ink: 0.25, tray: 0.14, exposure: 1.05, fromX: 0, fromY: 0, relief: 0, falloff: 0.05, gloss: 0.10, noise: 0.006},
	{name: "NORMAL", rubber: 0.50, ink: 0.36, tray: 0.10, exposure: 1.00, fromX: -0.95, fromY: -0.30, relief: 5.5, falloff: 0.06, flat: 0.6, noise: 0.009},
}

// Lights names the channels that can be made, in the order of the first data set.
func Lights() []string {
	var names []string
	for _, l := range lights {
		names = append(names, l.name)
	}
	return names
}

func lightByName(name string) (light, bool) {
	i := slices.IndexFunc(lights, func(l light) bool { return l.name == name })
	if i < 0 {
		return light{}, false
	}
	return lights[i], true
}

// photograph renders the surface under a light as size x size pixels; the
// surface's fields are a whole multiple of that.
func (s *surface) photograph(l light, gain float64, size int, random *rand.Rand) *image.Gray {
	picture := image.NewGray(image.Rect(0, 0, size, size))
	step := s.ink.n / size
	for y := range size {
		for x := range size {
			var sum float64
			for v := range step {
				for u := range step {
					sum += s.seen(l, x*step+u, y*step+v)
				}
			}
			value := gain*sum/float64(step*step) + l.noise*random.NormFloat64()
			picture.Pix[y*picture.Stride+x] = uint8(math.Round(255 * min(max(value, 0), 1)))
		}
	}
	return picture
}

// seen is the brightness of one place: its colour times the light on its slope.
func (s *surface) seen(l light, x, y int) float64 {
	i := y*s.ink.n + x
	inside, ink := s.inside.v[i], min(s.ink.v[i], 1)
	// Towards the lamp rising ground is brighter.
	n := float64(s.ink.n)
	raised := func(x, y int) float64 { return s.height.at(x, y) + inkHeight*s.ink.at(x, y) }
	slopeX, slopeY := (raised(x+1, y)-raised(x-1, y))*n/2, (raised(x, y+1)-raised(x, y-1))*n/2
	shade := 1 - l.relief*(slopeX*l.fromX+slopeY*l.fromY)*inside
	if l.fromX == 0 && l.fromY == 0 { // a ring: every slope loses light
		shade = 1 - 0.25*math.Hypot(slopeX, slopeY)*inside
	}
	rubber := l.rubber * s.rubber.v[i]
	rubber *= 1 - 0.45*s.scuff.v[i] // roughened rubber scatters
	colour := rubber + (l.ink-l.rubber)*ink*(1-l.flat)
	colour += l.gloss * ink * ink
	colour = l.tray + (colour-l.tray)*inside
	p := s.ink.centre(x, y)
	corner := (p.x-0.5)*(p.x-0.5) + (p.y-0.5)*(p.y-0.5)
	return l.exposure * colour * min(max(shade, 0.15), 1.9) * (1 - l.falloff*corner*2)
}
