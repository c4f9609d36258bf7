package page

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"math"

	"golang.org/x/image/draw"
)

// largest is the largest side of a picture in the page, in pixels. A page with a dozen mistakes of six channels stays
// below 10 MB, and images of the usual 224 pixels are not scaled down, so that a defect of a few pixels stays
// visible.
const largest = 256

// channel returns one channel of an image in shades of grey. pixels: [size,size,channels] -> size x size
func channel(pixels []uint8, size, channels, which int) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, size, size))
	for i := range g.Pix {
		g.Pix[i] = pixels[i*channels+which]
	}
	return g
}

// mean returns the mean of all channels in shades of grey. Heat is drawn over it, because heat belongs to the whole
// image and not to one channel. pixels: [size,size,channels] -> size x size
func mean(pixels []uint8, size, channels int) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, size, size))
	for i := range g.Pix {
		sum := 0
		for _, v := range pixels[i*channels : (i+1)*channels] {
			sum += int(v)
		}
		g.Pix[i] = uint8(sum / channels)
	}
	return g
}

// layer returns a picture of the heat to draw over an image: transparent without heat, yellow with little, red with
// most. The picture is interpolated between the centres of the places, because the few places that a network has
// would otherwise look like a chessboard.
func (h Heat) layer(side int) *image.NRGBA {
	l := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			l.SetNRGBA(x, y, glow(h.at(x, y, side)))
		}
	}
	return l
}

// at returns the heat at a pixel of a picture of this side, interpolated between the four places around the pixel.
func (h Heat) at(x, y, side int) float64 {
	place := func(pixel int) (low, high int, share float64) {
		at := (float64(pixel)+0.5)*float64(h.Side)/float64(side) - 0.5
		at = min(max(at, 0), float64(h.Side-1))
		low = int(at)
		return low, min(low+1, h.Side-1), at - float64(low)
	}
	x0, x1, dx := place(x)
	y0, y1, dy := place(y)
	v := func(x, y int) float64 { return float64(h.Values[y*h.Side+x]) }
	return (v(x0, y0)*(1-dx)+v(x1, y0)*dx)*(1-dy) + (v(x0, y1)*(1-dx)+v(x1, y1)*dx)*dy
}

// glow returns the colour of a heat in [0,1]. The opacity stays below 3/4, so that the image under the heat can still
// be judged. It falls faster than the heat, so that a little heat everywhere does not veil the whole image.
func glow(v float64) color.NRGBA {
	return color.NRGBA{
		R: uint8(255 - 45*v),
		G: uint8(214 * (1 - v)),
		B: uint8(40 * v),
		A: uint8(185 * v * math.Sqrt(v)),
	}
}

// shrunk returns a square image, scaled down to side x side pixels if it is larger.
func shrunk(img image.Image, side int) image.Image {
	if img.Bounds().Dx() <= side {
		return img
	}
	small := image.NewGray(image.Rect(0, 0, side, side))
	draw.CatmullRom.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	return small
}

// dataURI returns an image as the URI of a PNG, to embed it in the page.
func dataURI(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, img); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

// Sheet returns a picture with three rows: the channels of an image, the channels with class activation over them,
// and the channels with Grad-CAM over them. Each pixel of a small image becomes a square of pixels. pixels:
// [size,size,channels]
func Sheet(pixels []uint8, size, channels int, class, gradCAM Heat) (*image.NRGBA, error) {
	if size < 1 || len(pixels) != size*size*channels {
		return nil, fmt.Errorf("draw %d channels of %dx%d pixels: got %d bytes of pixels",
			channels, size, size, len(pixels))
	}
	const gap = 4
	side := size * max(1, (largest/2+size-1)/size)
	sheet := image.NewNRGBA(image.Rect(0, 0, channels*(side+gap)-gap, 3*(side+gap)-gap))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	layers := []image.Image{nil, class.layer(side), gradCAM.layer(side)}
	for c := range channels {
		plain := channel(pixels, size, channels, c)
		for row, heat := range layers {
			at := image.Rect(0, 0, side, side).Add(image.Pt(c*(side+gap), row*(side+gap)))
			draw.NearestNeighbor.Scale(sheet, at, plain, plain.Bounds(), draw.Src, nil)
			if heat != nil {
				draw.Draw(sheet, at, heat, image.Point{}, draw.Over)
			}
		}
	}
	return sheet, nil
}
