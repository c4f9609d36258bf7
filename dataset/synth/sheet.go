// The contact sheet: one look tells what a set holds. Rows are samples (flawless
// ones, and of every kind of defect the gentlest and the worst), columns lights.

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
	flawlessRows = 3
	captionWidth = 160 // 22 characters of basicfont's 7 pixels
	captionLines = 4
	lineHeight   = 14
	headHeight   = 18
	gap          = 2
)

var (
	paper  = color.RGBA{0xf4, 0xf4, 0xf2, 0xff}
	pencil = color.RGBA{0x20, 0x20, 0x20, 0xff}
	mark   = color.RGBA{0xd0, 0x40, 0x20, 0xff}
)

func (s Spec) sheet(pieces []piece) image.Image {
	shown := examples(pieces)
	cell := s.Size + gap
	rowHeight := max(cell, captionLines*lineHeight+4)
	sheet := image.NewRGBA(image.Rect(0, 0, captionWidth+cell*len(s.Channels), headHeight+rowHeight*len(shown)))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	for c, channel := range s.Channels {
		write(sheet, captionWidth+c*cell, 13, pencil, channel)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for row, p := range shown {
		group.Go(func() error { // rows do not overlap
			top := headHeight + row*rowHeight
			pictures, changed := s.render(p)
			for c, picture := range pictures {
				at := image.Pt(captionWidth+c*cell, top)
				draw.Draw(sheet, picture.Bounds().Add(at), picture, image.Point{}, draw.Src)
			}
			if p.kind != none {
				outline(sheet, image.Rect(changed.x, changed.y, changed.x+changed.w, changed.y+changed.h).Add(image.Pt(captionWidth, top)))
			}
			ink := pencil
			if p.given != p.truth {
				ink = mark
			}
			for line, text := range caption(p) {
				write(sheet, 4, top+lineHeight*(line+1), ink, text)
			}
			return nil
		})
	}
	group.Wait() // rendering has no errors
	return sheet
}

// examples picks the rows.
func examples(pieces []piece) []piece {
	var shown []piece
	gentlest, worst := map[kind]int{}, map[kind]int{}
	for i, p := range pieces {
		if p.kind == none {
			if len(shown) < flawlessRows {
				shown = append(shown, p)
			}
			continue
		}
		if j, seen := gentlest[p.kind]; !seen || p.severity < pieces[j].severity {
			gentlest[p.kind] = i
		}
		if j, seen := worst[p.kind]; !seen || p.severity > pieces[j].severity {
			worst[p.kind] = i
		}
	}
	for _, k := range kinds {
		i, any := worst[k]
		if !any {
			continue
		}
		shown = append(shown, pieces[i])
		if j := gentlest[k]; j != i {
			shown = append(shown, pieces[j])
		}
	}
	return shown
}

func caption(p piece) []string {
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

func write(to draw.Image, x, y int, ink color.Color, text string) {
	d := font.Drawer{Dst: to, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// outline marks what truth.csv calls the defect, on the first light only.
func outline(to draw.Image, r image.Rectangle) {
	for x := r.Min.X; x < r.Max.X; x++ {
		to.Set(x, r.Min.Y, mark)
		to.Set(x, r.Max.Y-1, mark)
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		to.Set(r.Min.X, y, mark)
		to.Set(r.Max.X-1, y, mark)
	}
}
