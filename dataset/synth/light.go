// The six lights, and the image that the camera takes under each. The camera always looks straight down.
// The lights differ in colour, in direction, and in how strongly they show the relief of the surface.

package synth

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
)

// light is one channel's light and what the camera sees under it. Brightnesses are from 0 to 1.
type light struct {
	name       string
	rubber     float64 // brightness of the rubber in the colour of this light
	ink        float64 // brightness of the ink
	tray       float64 // brightness of the tray
	brightness float64 // factor on the whole image
	fromX      float64 // direction that the light comes from, in the image plane; 0, 0 is a ring light
	fromY      float64
	relief     float64 // how strongly slopes of the surface show
	falloff    float64 // loss of light towards the corners
	gloss      float64 // brightness that the shiny ink adds where it reflects the lamp
	flat       float64 // share of the colour difference between ink and rubber that grazing light removes
	noise      float64 // of the camera: standard deviation, as a part of the value range
}

// The ink is blue: almost black in red light, less so in green.
var lights = []light{
	{
		name: "AM", rubber: 0.78, ink: 0.24, tray: 0.16, brightness: 0.72,
		fromX: 0.3, fromY: -0.5, relief: 0.25, falloff: 0.22, noise: 0.011,
	},
	{
		name: "GRAY", rubber: 0.80, ink: 0.22, tray: 0.13, brightness: 0.88,
		fromX: 0, fromY: -1, relief: 0.45, falloff: 0.10, noise: 0.007,
	},
	{
		name: "G", rubber: 0.82, ink: 0.30, tray: 0.12, brightness: 0.84,
		fromX: -0.8, fromY: -0.6, relief: 0.60, falloff: 0.12, noise: 0.008,
	},
	{
		name: "R", rubber: 0.86, ink: 0.13, tray: 0.15, brightness: 0.86,
		fromX: 0.8, fromY: -0.6, relief: 0.60, falloff: 0.12, noise: 0.008,
	},
	{
		name: "W", rubber: 0.84, ink: 0.25, tray: 0.14, brightness: 1.05,
		fromX: 0, fromY: 0, relief: 0, falloff: 0.05, gloss: 0.10, noise: 0.006,
	},
	{
		name: "NORMAL", rubber: 0.50, ink: 0.36, tray: 0.10, brightness: 1.00,
		fromX: -0.95, fromY: -0.30, relief: 5.5, falloff: 0.06, flat: 0.6, noise: 0.009,
	},
}

// Lights returns the names of all lights, in the order of the first data set. Each makes one channel.
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

// render returns the image of the surface under a light, size x size pixels. The side of the surface's
// fields must be a multiple of size. gain is a factor on the brightness.
func (s *surface) render(l light, gain float64, size int, random *rand.Rand) *image.Gray {
	picture := image.NewGray(image.Rect(0, 0, size, size))
	step := s.ink.n / size
	for y := range size {
		for x := range size {
			var sum float64
			for v := range step {
				for u := range step {
					sum += s.brightness(l, x*step+u, y*step+v)
				}
			}
			value := gain*sum/float64(step*step) + l.noise*random.NormFloat64()
			picture.Pix[y*picture.Stride+x] = uint8(math.Round(255 * min(max(value, 0), 1)))
		}
	}
	return picture
}

// brightness returns the brightness of one pixel of the fields: its colour times the light on its slope.
func (s *surface) brightness(l light, x, y int) float64 {
	i := y*s.ink.n + x
	inside, ink := s.inside.v[i], min(s.ink.v[i], 1)
	n := float64(s.ink.n)
	raised := func(x, y int) float64 { return s.height.at(x, y) + inkHeight*s.ink.at(x, y) }
	slopeX, slopeY := (raised(x+1, y)-raised(x-1, y))*n/2, (raised(x, y+1)-raised(x, y-1))*n/2
	// A slope that rises away from the lamp faces the lamp and is brighter, so the slope is subtracted.
	shade := 1 - l.relief*(slopeX*l.fromX+slopeY*l.fromY)*inside
	if l.fromX == 0 && l.fromY == 0 { // a ring light: every slope is darker than level ground
		shade = 1 - 0.25*math.Hypot(slopeX, slopeY)*inside
	}
	rubber := l.rubber * s.rubber.v[i]
	rubber *= 1 - 0.45*s.scuff.v[i] // rough rubber scatters light away from the camera
	colour := rubber + (l.ink-l.rubber)*ink*(1-l.flat)
	colour += l.gloss * ink * ink
	colour = l.tray + (colour-l.tray)*inside
	p := s.ink.centre(x, y)
	corner := (p.x-0.5)*(p.x-0.5) + (p.y-0.5)*(p.y-0.5)
	return l.brightness * colour * min(max(shade, 0.15), 1.9) * (1 - l.falloff*corner*2)
}
