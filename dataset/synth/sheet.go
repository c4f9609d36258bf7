// The contact sheet: one image with examples from the set. A row is a sample: first a few without a
// defect, then of every kind of defect the most and the least severe. A column is a light.

package synth

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"runtime"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/sync/errgroup"

	"plumbline.dev/plumbline/dataset"
)

const (
	normalRows   = 3   // rows of samples without a defect
	captionWidth = 160 // 22 characters of basicfont's 7 pixels
	captionLines = 4
	lineHeight   = 14
	headHeight   = 18
	gap          = 2 // pixels between two images
)

var (
	backgroundColour = color.RGBA{0xf4, 0xf4, 0xf2, 0xff}
	textColour       = color.RGBA{0x20, 0x20, 0x20, 0xff}
	markColour       = color.RGBA{0xd0, 0x40, 0x20, 0xff} // of defects and of wrong labels
)

func (s Spec) sheet(samples []plannedSample) image.Image {
	shown := examples(samples)
	cell := s.Size + gap
	rowHeight := max(cell, captionLines*lineHeight+4)
	sheet := image.NewRGBA(image.Rect(0, 0, captionWidth+cell*len(s.Channels), headHeight+rowHeight*len(shown)))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(backgroundColour), image.Point{}, draw.Src)
	for c, channel := range s.Channels {
		drawText(sheet, captionWidth+c*cell, 13, textColour, channel)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for row, p := range shown {
		group.Go(func() error { // rows do not overlap
			top := headHeight + row*rowHeight
			pictures, changed := s.renderSample(p)
			for c, picture := range pictures {
				at := image.Pt(captionWidth+c*cell, top)
				draw.Draw(sheet, picture.Bounds().Add(at), picture, image.Point{}, draw.Src)
			}
			if p.kind != none {
				defect := image.Rect(changed.x, changed.y, changed.x+changed.w, changed.y+changed.h)
				drawOutline(sheet, defect.Add(image.Pt(captionWidth, top)))
			}
			colour := textColour
			if p.given != p.truth {
				colour = markColour
			}
			for i, text := range caption(p) {
				drawText(sheet, 4, top+lineHeight*(i+1), colour, text)
			}
			return nil
		})
	}
	_ = group.Wait() // rendering returns no errors
	return sheet
}

// examples returns the samples that the sheet shows, in the order of its rows.
func examples(samples []plannedSample) []plannedSample {
	var shown []plannedSample
	mildest, worst := map[kind]int{}, map[kind]int{} // indices into samples
	for i, p := range samples {
		if p.kind == none {
			if len(shown) < normalRows {
				shown = append(shown, p)
			}
			continue
		}
		if j, known := mildest[p.kind]; !known || p.severity < samples[j].severity {
			mildest[p.kind] = i
		}
		if j, known := worst[p.kind]; !known || p.severity > samples[j].severity {
			worst[p.kind] = i
		}
	}
	for _, k := range kinds {
		i, found := worst[k]
		if !found {
			continue
		}
		shown = append(shown, samples[i])
		if j := mildest[k]; j != i {
			shown = append(shown, samples[j])
		}
	}
	return shown
}

// caption returns the lines of text beside a sample's images.
func caption(p plannedSample) []string {
	lines := []string{p.id + "  " + p.pkg}
	if p.truth == dataset.Defect {
		lines = append(lines, strings.ReplaceAll(string(p.kind), "-", " "), fmt.Sprintf("severity %.2f", p.severity))
	} else {
		lines = append(lines, "normal")
	}
	if p.given != p.truth {
		lines = append(lines, "labelled "+p.given.String())
	}
	return lines
}

func drawText(to draw.Image, x, y int, colour color.Color, text string) {
	d := font.Drawer{Dst: to, Src: image.NewUniform(colour), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// drawOutline draws a rectangle around a sample's defect as in truth.csv. The sheet has it only on the
// image of the first light.
func drawOutline(to draw.Image, r image.Rectangle) {
	for x := r.Min.X; x < r.Max.X; x++ {
		to.Set(x, r.Min.Y, markColour)
		to.Set(x, r.Max.Y-1, markColour)
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		to.Set(r.Min.X, y, markColour)
		to.Set(r.Max.X-1, y, markColour)
	}
}
