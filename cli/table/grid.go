package table

import (
	"cmp"

	"plumbline.dev/plumbline/cli/text"
)

// Grid is a table of plain text as kubectl prints it: as wide as it must be.
type Grid struct{ cols []Column }

// Header adds columns with these titles.
func (g *Grid) Header(titles ...string) {
	for _, t := range titles {
		g.cols = append(g.cols, Column{Title: t})
	}
}

// Row adds a row; a cell that is empty is shown as a dash.
func (g *Grid) Row(cells ...string) {
	for i, c := range cells {
		g.cols[i].Cells = append(g.cols[i].Cells, text.Plain(cmp.Or(text.Clean(c), "-")))
	}
}

// Lines lays the table out in full width.
func (g *Grid) Lines() []text.Line {
	rows := 0
	if len(g.cols) > 0 {
		rows = len(g.cols[0].Cells)
	}
	return Lines(g.cols, rows, 0)
}
