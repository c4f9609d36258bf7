// A grid: one image shows a whole package, and each sample is the cell at its position. Cells are cut
// from the image before anything is resized.
//
// The borders are whole pixels. Of the W pixels between the left and the right margin, column k of C
// (counted from 0) gets the pixels from k*W/C up to, but not including, (k+1)*W/C, both rounded down.
// Rows follow the same rule. Every pixel between the margins is in exactly one cell. Where C does not
// divide W, some columns are one pixel wider than others.

package dataset

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Grid says how the image of a package is divided into cells. Position 1 is the first cell of the first
// row, position 2 is the cell to its right.
type Grid struct {
	Rows    int    `yaml:"rows" json:"rows"`
	Columns int    `yaml:"columns" json:"columns"`
	Margin  Margin `yaml:"margin,omitempty" json:"margin"`
}

// Margin is the border around the cells, in pixels of the image before it is resized.
type Margin struct {
	Left   int `yaml:"left,omitempty" json:"left"`
	Top    int `yaml:"top,omitempty" json:"top"`
	Right  int `yaml:"right,omitempty" json:"right"`
	Bottom int `yaml:"bottom,omitempty" json:"bottom"`
}

// maxCellsPerSide bounds a grid's rows and columns. A larger number is a typing error: the cells would have hardly any
// pixels.
const maxCellsPerSide = 1000

const gridExample = "as in {rows: 3, columns: 5}"

func (g Grid) String() string { return fmt.Sprintf("%d x %d", g.Rows, g.Columns) }

// Cells returns the number of samples that one image can show.
func (g Grid) Cells() int { return g.Rows * g.Columns }

// misfit returns why an image of this shape cannot be cut into the grid's cells, or "" when it can. The reason
// completes a sentence that starts with the file's name.
func (g Grid) misfit(s shape) string {
	w, h := s.width-g.Margin.Left-g.Margin.Right, s.height-g.Margin.Top-g.Margin.Bottom
	if w >= g.Columns && h >= g.Rows {
		return ""
	}
	return fmt.Sprintf("is %d x %d pixels; the margins leave %d x %d, too few for %d columns and %d rows",
		s.width, s.height, max(w, 0), max(h, 0), g.Columns, g.Rows)
}

// cut returns the cell at a position, which must be on the grid.
func (g Grid) cut(p *plane, position int) *plane {
	row, column := (position-1)/g.Columns, (position-1)%g.Columns
	w, h := p.width-g.Margin.Left-g.Margin.Right, p.height-g.Margin.Top-g.Margin.Bottom
	left, right := g.Margin.Left+column*w/g.Columns, g.Margin.Left+(column+1)*w/g.Columns
	top, bottom := g.Margin.Top+row*h/g.Rows, g.Margin.Top+(row+1)*h/g.Rows
	cell := &plane{width: right - left, height: bottom - top, wide: p.wide}
	cell.pixels = make([]uint16, 0, cell.width*cell.height)
	for y := top; y < bottom; y++ {
		cell.pixels = append(cell.pixels, p.pixels[y*p.width+left:y*p.width+right]...)
	}
	return cell
}

func parseGrid(file string, node *yaml.Node, ps *problems) *Grid {
	if node.Kind != yaml.MappingNode {
		ps.addf(file, node.Line, "grid needs rows and columns, %s", gridExample)
		return nil
	}
	before := len(*ps)
	var g Grid
	nodes := readFields(file, node, map[string]any{"rows": &g.Rows, "columns": &g.Columns, "margin": nil}, ps)
	if nodes["rows"] == nil || nodes["columns"] == nil {
		ps.addf(file, node.Line, "grid needs both rows and columns, %s", gridExample)
	}
	if margin := nodes["margin"]; margin != nil {
		g.Margin = parseMargin(file, margin, ps)
	}
	if len(*ps) > before {
		return nil
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"rows", g.Rows}, {"columns", g.Columns}} {
		if n.value < 1 || n.value > maxCellsPerSide {
			ps.addf(file, nodes[n.name].Line, "grid: %s %d is not between 1 and %d", n.name, n.value, maxCellsPerSide)
		}
	}
	return &g
}

func parseMargin(file string, node *yaml.Node, ps *problems) (m Margin) {
	if node.Kind != yaml.MappingNode {
		ps.addf(file, node.Line,
			"margin needs a number of pixels for each side, as in {left: 12, top: 8, right: 12, bottom: 8}")
		return m
	}
	fields := []string{"left", "top", "right", "bottom"}
	sides := []*int{&m.Left, &m.Top, &m.Right, &m.Bottom}
	targets := map[string]any{}
	for i, name := range fields {
		targets[name] = sides[i]
	}
	nodes := readFields(file, node, targets, ps)
	for i, name := range fields {
		if n := *sides[i]; n < 0 || n >= maxSide {
			ps.addf(file, nodes[name].Line, "margin: %s %d is not between 0 and %d pixels", name, n, maxSide-1)
		}
	}
	return m
}
