package main

import "cmp"

// grid is a table of plain text as kubectl prints it: as wide as it must be.
type grid struct{ cols []column }

func (g *grid) header(titles ...string) {
	for _, t := range titles {
		g.cols = append(g.cols, column{title: t})
	}
}

func (g *grid) row(cells ...string) {
	for i, c := range cells {
		g.cols[i].cells = append(g.cols[i].cells, plain(cmp.Or(clean(c), "-")))
	}
}

func (g *grid) lines() []line {
	rows := 0
	if len(g.cols) > 0 {
		rows = len(g.cols[0].cells)
	}
	return table(g.cols, rows, 0)
}
