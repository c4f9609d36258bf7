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

// largest side of a picture in the page, in pixels: a dozen mistakes of six channels stay below 10 MB, and a defect of a few pixels
// in an image of the usual 224 keeps all of them.
const largest = 256

// channel is one channel of an image in shades of grey. pixels: [size,size,channels] -> size x size
func channel(pixels []uint8, size, channels, which int) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, size, size))
	for i := range g.Pix {
		g.Pix[i] = pixels[i*channels+which]
	}
	return g
}

// mean of all channels: what heat is laid over, since a map is of the whole image and not of one channel.
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

// layer is heat as a picture to be laid over an image: clear where there is none, yellow, then red where it is strongest. Between the
// middles of its places it is interpolated; the few places that a network has would look like a chessboard.
func (h Heat) layer(side int) *image.NRGBA {
	l := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			l.SetNRGBA(x, y, glow(h.at(x, y, side)))
		}
	}
	return l
}

// at interpolates between the four places around a pixel of a picture of this side.
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

// glow is the colour of a heat in [0,1]. Its opacity stays below 3/4, so that what is under it can still be judged, and falls off
// faster than the heat, so that little of it is no veil over the whole image.
func glow(v float64) color.NRGBA {
	return color.NRGBA{R: uint8(255 - 45*v), G: uint8(214 * (1 - v)), B: uint8(40 * v), A: uint8(185 * v * math.Sqrt(v))}
}

// shrunk is an image at most so many pixels wide.
func shrunk(img image.Image, side int) image.Image {
	if img.Bounds().Dx() <= side {
		return img
	}
	small := image.NewGray(image.Rect(0, 0, side, side))
	draw.CatmullRom.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	return small
}

// dataURI is a picture that needs no file.
func dataURI(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, img); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

// Sheet lays an image out for the eye: its channels in a row, below them the same under class activation, then under Grad-CAM. Small
// images are enlarged, pixel by pixel. pixels: [size,size,channels]
func Sheet(pixels []uint8, size, channels int, class, gradCAM Heat) (*image.NRGBA, error) {
	if size < 1 || len(pixels) != size*size*channels {
		return nil, fmt.Errorf("draw %d channels of %dx%d pixels: %d bytes", channels, size, size, len(pixels))
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
