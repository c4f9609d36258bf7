// One image file becomes one plane of grey values. Files come from cameras and
// from strangers: the header is read and judged before memory is spent on it.

package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/color"

	// The formats that a set may use; told apart by content, not by name.
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/tiff"
)

// plane is one channel of one sample as the file holds it.
type plane struct {
	width, height int
	wide          bool     // 16 bits a pixel
	pixels        []uint16 // row by row; up to 255 unless wide
}

// What one image file may claim: 64 million pixels are far beyond inspection
// cameras, and decoded they are 128 MiB. A file that claims more is a mistake or
// an attack. The resizer's sums rely on both bounds.
const (
	maxPixels = 1 << 26
	maxSide   = 1 << 15
)

// decode reads one channel's file. Its error is a sentence about the file's
// content, without the file's name.
func decode(content []byte) (*plane, error) {
	header, format, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("is no PNG, JPEG or TIFF that can be read: %w", err)
	}
	if w, h := header.Width, header.Height; w <= 0 || h <= 0 || max(w, h) > maxSide || w*h > maxPixels {
		return nil, fmt.Errorf("claims to be %d x %d pixels; a set's images have 1 to %d a side and at most %d in all", w, h, maxSide, maxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("has the header of a %d x %d %s, but what follows cannot be decoded: %w", header.Width, header.Height, format, err)
	}
	bounds := picture.Bounds()
	if bounds.Dx() != header.Width || bounds.Dy() != header.Height {
		return nil, fmt.Errorf("claims to be %d x %d pixels and holds %d x %d", header.Width, header.Height, bounds.Dx(), bounds.Dy())
	}
	return greyPlane(picture)
}

// greyPlane takes the grey values. A colour image is taken only when it is grey
// in truth (R = G = B and opaque in every pixel): which mix of colours a channel
// means is not for a reader to guess.
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
				return nil, fmt.Errorf("is a colour image (pixel %d,%d is %d,%d,%d); a channel is one grey value per pixel: save the colours as channels of their own",
					x, y, r>>8, g>>8, b>>8)
			}
			if !p.wide {
				r >>= 8
			}
			p.pixels[y*p.width+x] = uint16(r)
		}
	}
	return p, nil
}
