package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func planeOf(w, h int, pixels ...uint16) *plane {
	return &plane{width: w, height: h, pixels: pixels}
}

func resized(p *plane, r Range16, size int) []uint8 {
	out := make([]uint8, size*size)
	resize(p, r, size, out, 1)
	return out
}

func TestAreaV1(t *testing.T) {
	eight := Range16{0, 255}
	for name, c := range map[string]struct {
		in   *plane
		from Range16
		size int
		want []uint8
	}{
		"the same size is the same image": {planeOf(2, 2, 1, 2, 3, 255), eight, 2, []uint8{1, 2, 3, 255}},
		"halving takes the mean of four, halves rounded up": {
			planeOf(4, 2, 0, 1, 10, 10, 1, 0, 20, 20), eight, 1, []uint8{8}}, // 62/8 = 7.75
		"the mean of two to one, a half rounded up": {planeOf(2, 2, 0, 1, 1, 0), eight, 1, []uint8{1}}, // 0.5
		"three to two counts the shared pixel in part for both": {
			// (2*0 + 1*90)/3 = 30 and (1*90 + 2*30)/3 = 50, all rows alike
			planeOf(3, 3, 0, 90, 30, 0, 90, 30, 0, 90, 30), eight, 2, []uint8{30, 50, 30, 50}},
		"doubling interpolates between centres and repeats the edge": {
			// outputs lie at -0.25, 0.25, 0.75, 1.25
			planeOf(2, 1, 0, 100), eight, 4, []uint8{0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100}},
		"a wide image shrinks one axis and enlarges the other": {
			planeOf(4, 1, 0, 10, 20, 30), eight, 2, []uint8{5, 25, 5, 25}},
		"one pixel fills everything": {planeOf(1, 1, 77), eight, 3, []uint8{77, 77, 77, 77, 77, 77, 77, 77, 77}},
		"sixteen bits are clipped to the range and scaled": {
			planeOf(2, 2, 0, 1000, 3000, 60000), Range16{1000, 5000}, 2, []uint8{0, 0, 128, 255}}, // 127.5
		"values are clipped before the mean is taken": {
			planeOf(2, 2, 0, 0, 65535, 65535), Range16{1000, 2000}, 1, []uint8{128}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, resized(c.in, c.from, c.size)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// naive computes area-v1 literally by its definition, in floating point: the integral of the pixels over
// each output's area, or linear interpolation between pixel centres.
func naive(p *plane, r Range16, size int) []float64 {
	weight := func(n, i, j int) float64 {
		scale := float64(n) / float64(size)
		if size > n {
			at := (float64(j)+0.5)*scale - 0.5
			at = min(max(at, 0), float64(n-1))
			return max(0, 1-math.Abs(at-float64(i)))
		}
		overlap := min(float64(i+1), float64(j+1)*scale) - max(float64(i), float64(j)*scale)
		return max(0, overlap) / scale
	}
	out := make([]float64, size*size)
	for j := range size {
		for i := range size {
			var sum float64
			for y := range p.height {
				for x := range p.width {
					v := float64(min(max(p.pixels[y*p.width+x], r.Min), r.Max) - r.Min)
					sum += weight(p.width, x, i) * weight(p.height, y, j) * v
				}
			}
			out[j*size+i] = 255 * sum / float64(r.Max-r.Min)
		}
	}
	return out
}

func TestAreaV1AgainstItsDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		p := &plane{width: 1 + random.IntN(17), height: 1 + random.IntN(17)}
		r := Range16{0, 255}
		if p.wide = random.IntN(2) == 0; p.wide {
			r = Range16{uint16(random.IntN(9000)), uint16(10000 + random.IntN(50000))}
		}
		for range p.width * p.height {
			v := uint16(random.IntN(256))
			if p.wide {
				v = uint16(random.IntN(65536))
			}
			p.pixels = append(p.pixels, v)
		}
		size := 1 + random.IntN(20)
		want, got := naive(p, r, size), resized(p, r, size)
		for i := range want {
			// Rounding moves a value by at most 0.5; 1e-9 is the floating-point error of naive.
			if math.Abs(want[i]-float64(got[i])) > 0.5+1e-9 {
				t.Fatalf("%dx%d to %d, range %v, output %d: got %d, want %v",
					p.width, p.height, size, r, i, got[i], want[i])
			}
		}
	}
}

// This test pins the bits of area-v1, which manifests promise to every client. An algorithm that gives
// other bits needs another name.
func TestAreaV1Golden(t *testing.T) {
	for name, c := range map[string]struct {
		w, h, size int
		wide       bool
		want       string
	}{
		"shrinking a camera image": {97, 75, 32, false, "a8c5f851"},
		"enlarging":                {20, 31, 64, false, "7e63cd7f"},
		"sixteen bits, both":       {97, 20, 48, true, "25de242e"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plane{width: c.w, height: c.h, wide: c.wide}
			r := Range16{0, 255}
			if c.wide {
				r = Range16{200, 61000}
			}
			for i := range c.w * c.h {
				v := uint16(i*7919 + i*i*31)
				if !c.wide {
					v >>= 8
				}
				p.pixels = append(p.pixels, v)
			}
			sum := sha256.Sum256(resized(p, r, c.size))
			if got := hex.EncodeToString(sum[:4]); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
