package dataset

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// painted sets every pixel of p to the colour that at returns, and returns p.
func painted[P interface {
	image.Image
	Set(x, y int, c color.Color)
}](p P, at func(x, y int) color.Color) P {
	for y := range p.Bounds().Dy() {
		for x := range p.Bounds().Dx() {
			p.Set(x, y, at(x, y))
		}
	}
	return p
}

func grey8(x, y int) color.Color  { return color.Gray{uint8(20*x + 7*y)} }
func grey16(x, y int) color.Color { return color.Gray16{uint16(9000*x + 700*y + 3)} }

func TestDecodeAcceptsEveryFormat(t *testing.T) {
	r := image.Rect(0, 0, 3, 2)
	eight := &plane{width: 3, height: 2, pixels: []uint16{0, 20, 40, 7, 27, 47}}
	sixteen := &plane{width: 3, height: 2, wide: true, pixels: []uint16{3, 9003, 18003, 703, 9703, 18703}}
	palette := color.Palette{}
	for i := range 256 {
		palette = append(palette, color.Gray{uint8(i)})
	}
	for name, c := range map[string]struct {
		content []byte
		want    *plane
	}{
		"PNG, 8 bits":                {encodePNG(painted(image.NewGray(r), grey8)), eight},
		"PNG, 16 bits":               {encodePNG(painted(image.NewGray16(r), grey16)), sixteen},
		"TIFF, 8 bits":               {encodeTIFF(painted(image.NewGray(r), grey8)), eight},
		"TIFF, 16 bits":              {encodeTIFF(painted(image.NewGray16(r), grey16)), sixteen},
		"colour PNG with R = G = B":  {encodePNG(painted(image.NewRGBA(r), grey8)), eight},
		"16-bit colour PNG":          {encodePNG(painted(image.NewRGBA64(r), grey16)), sixteen},
		"PNG with a palette of grey": {encodePNG(painted(image.NewPaletted(r, palette), grey8)), eight},
		"colour TIFF with R = G = B": {encodeTIFF(painted(image.NewRGBA(r), grey8)), eight},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode(c.content)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(plane{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeJPEG(t *testing.T) {
	flat := func(int, int) color.Color { return color.Gray{100} }
	for name, content := range map[string][]byte{
		"grey":                  encodeJPEG(painted(image.NewGray(image.Rect(0, 0, 8, 8)), flat)),
		"colour with R = G = B": encodeJPEG(painted(image.NewRGBA(image.Rect(0, 0, 8, 8)), flat)),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := decode(content)
			if err != nil {
				t.Fatal(err)
			}
			if p.wide || p.width != 8 || p.pixels[0] != 100 || p.pixels[63] != 100 {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	square := image.Rect(0, 0, 2, 2)
	coloured := func(x, y int) color.Color { return color.RGBA{9, uint8(9 + x), 9, 255} }
	transparent := func(x, y int) color.Color { return color.NRGBA{9, 9, 9, 128} }
	whole := encodePNG(painted(image.NewGray(image.Rect(0, 0, 30, 30)), grey8))
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"an empty file": {
			content: nil,
			want:    "is not a readable PNG, JPEG or TIFF file: image: unknown format",
		},
		"text": {
			content: []byte("hello"),
			want:    "is not a readable PNG, JPEG or TIFF file",
		},
		"a truncated image": {
			content: whole[:len(whole)/2],
			want:    "has the header of a 30 x 30 png image, but its pixels cannot be decoded",
		},
		"a header for a terabyte": {
			content: withHeader(whole, 1<<20, 1<<20),
			want: "has the header of an image of 1048576 x 1048576 pixels; " +
				"an image may have 1 to 32768 a side and at most 67108864 in all",
		},
		"a header for more rows than the file has": {
			content: withHeader(whole, 30, 60),
			want:    "cannot be decoded",
		},
		"a header for a strip": {
			content: withHeader(whole, 40000, 2),
			want:    "has the header of an image of 40000 x 2 pixels",
		},
		"a colour image": {
			content: encodePNG(painted(image.NewRGBA(square), coloured)),
			want:    "is a colour image (pixel 1,0 is 9,10,9); a channel is one grey value per pixel",
		},
		"a transparent image": {
			content: encodePNG(painted(image.NewNRGBA(square), transparent)),
			want:    "is transparent at pixel 0,0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode(c.content)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// withHeader returns a PNG file whose header has another size and a valid checksum.
func withHeader(content []byte, w, h uint32) []byte {
	changed := bytes.Clone(content)
	header := changed[12:29] // "IHDR" and its 13 bytes
	binary.BigEndian.PutUint32(header[4:], w)
	binary.BigEndian.PutUint32(header[8:], h)
	binary.BigEndian.PutUint32(changed[29:], crc32.ChecksumIEEE(header))
	return changed
}

func FuzzDecode(f *testing.F) {
	r := image.Rect(0, 0, 9, 9)
	f.Add(encodePNG(painted(image.NewGray16(r), grey16)))
	f.Add(encodeJPEG(painted(image.NewGray(r), grey8)))
	f.Add(encodeTIFF(painted(image.NewGray16(r), grey16)))
	f.Add(withHeader(encodePNG(painted(image.NewGray(r), grey8)), 5000, 3))
	f.Fuzz(func(t *testing.T, content []byte) {
		header, _, err := image.DecodeConfig(bytes.NewReader(content))
		if err == nil && header.Width*header.Height > 1<<20 {
			return // allowed, but slow to fuzz
		}
		p, err := decode(content)
		if err != nil {
			return
		}
		if len(p.pixels) != p.width*p.height || len(p.pixels) == 0 {
			t.Errorf("%d x %d pixels in %d values", p.width, p.height, len(p.pixels))
		}
		out := make([]uint8, 5*5)
		resize(p, Range16{Max: 255}, 5, out, 1)
	})
}
