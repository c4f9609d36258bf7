// Decoding: one image file becomes one plane of grey values. A file may come from anywhere, so its header
// is read and checked before memory is allocated for its pixels.

package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/color"

	// The formats that a set may use. A file's content decides its format, not its name.
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/tiff"
)

// plane holds the grey values of one channel's file, or of one cell of it.
type plane struct {
	width, height int
	wide          bool     // the file has 16 bits a pixel, and not 8
	pixels        []uint16 // row by row; at most 255 unless wide
}

// Bounds of an image's size. 64 million pixels are far more than an inspection camera has, and 128 MiB when decoded. A
// file whose header claims more is damaged or an attack. The sums in resize rely on both bounds.
const (
	maxPixels = 1 << 26
	maxSide   = 1 << 15
)

// decode decodes one channel's file. Its error completes a sentence that starts with the file's name.
func decode(content []byte) (*plane, error) {
	header, format, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("is not a readable PNG, JPEG or TIFF file: %w", err)
	}
	if w, h := header.Width, header.Height; w <= 0 || h <= 0 || max(w, h) > maxSide || w*h > maxPixels {
		return nil, fmt.Errorf("has the header of an image of %d x %d pixels; "+
			"an image may have 1 to %d a side and at most %d in all", w, h, maxSide, maxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("has the header of a %d x %d %s image, but its pixels cannot be decoded: %w",
			header.Width, header.Height, format, err)
	}
	bounds := picture.Bounds()
	if bounds.Dx() != header.Width || bounds.Dy() != header.Height {
		return nil, fmt.Errorf("has the header of an image of %d x %d pixels, but holds %d x %d",
			header.Width, header.Height, bounds.Dx(), bounds.Dy())
	}
	return greyPlane(picture)
}

// greyPlane returns the grey values of an image. It accepts a colour image only when every pixel is grey
// (R = G = B) and opaque: this package cannot know which mix of the colours the channel should be.
func greyPlane(picture image.Image) (*plane, error) {
	bounds := picture.Bounds()
	p := &plane{width: bounds.Dx(), height: bounds.Dy(), pixels: make([]uint16, bounds.Dx()*bounds.Dy())}
	switch picture := picture.(type) {
	case *image.Gray:
		for y := range p.height {
			row := picture.Pix[y*picture.Stride:][:p.width]
			for x, v := range row {
				p.pixels[y*p.width+x] = uint16(v)
			}
		}
		return p, nil
	case *image.Gray16:
		p.wide = true
		for y := range p.height {
			row := picture.Pix[y*picture.Stride:][:2*p.width]
			for x := range p.width {
				p.pixels[y*p.width+x] = uint16(row[2*x])<<8 | uint16(row[2*x+1])
			}
		}
		return p, nil
	}
	model := picture.ColorModel()
	p.wide = model == color.RGBA64Model || model == color.NRGBA64Model
	for y := range p.height {
		for x := range p.width {
			r, g, b, a := picture.At(bounds.Min.X+x, bounds.Min.Y+y).RGBA() // 16 bits each
			if a != 0xffff {
				return nil, fmt.Errorf("is transparent at pixel %d,%d; a channel is one grey value per pixel", x, y)
			}
			if r != g || g != b {
				return nil, fmt.Errorf("is a colour image (pixel %d,%d is %d,%d,%d); "+
					"a channel is one grey value per pixel: save each colour as a channel", x, y, r>>8, g>>8, b>>8)
			}
			if !p.wide {
				r >>= 8
			}
			p.pixels[y*p.width+x] = uint16(r)
		}
	}
	return p, nil
}
