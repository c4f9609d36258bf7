package main

// column of a table. Fixed ones have cells; elastic ones are drawn at whatever width is left, from min to max.
type column struct {
	title    string
	cells    []span
	elastic  func(row, width int) span
	min, max int
	rank     int  // 0: always shown; of the others the highest is left out first when the terminal is narrow
	right    bool // aligned
}

const gap = "  " // between columns

// table lays columns out for a terminal of w columns; w = 0 does not limit.
func table(cols []column, rows, w int) []line {
	widths := make([]int, len(cols))
	total := -len(gap)
	for i, c := range cols {
		widths[i] = max(columns(c.title), c.min)
		for _, cell := range c.cells {
			widths[i] = max(widths[i], columns(cell.text))
		}
		total += widths[i] + len(gap)
	}
	for w > 0 && total > w {
		drop := 0
		for i, c := range cols {
			if c.rank > cols[drop].rank {
				drop = i
			}
		}
		if cols[drop].rank == 0 {
			break // style.draw cuts what is too long
		}
		total -= widths[drop] + len(gap)
		cols = append(cols[:drop:drop], cols[drop+1:]...)
		widths = append(widths[:drop:drop], widths[drop+1:]...)
	}
	stretch(cols, widths, w-total)

	lines := make([]line, 0, rows+1)
	header := line{}
	for i, c := range cols {
		header = append(header, cell(painted(c.title, bold), c, widths[i], i, len(cols))...)
	}
	lines = append(lines, header)
	for row := range rows {
		l := line{}
		for i, c := range cols {
			sp := span{}
			if c.elastic != nil {
				sp = c.elastic(row, widths[i])
			} else {
				sp = c.cells[row]
			}
			l = append(l, cell(sp, c, widths[i], i, len(cols))...)
		}
		lines = append(lines, l)
	}
	return lines
}

// stretch gives what is left of the width to the elastic columns, a column at a time to each.
func stretch(cols []column, widths []int, left int) {
	for grew := true; grew && left > 0; {
		grew = false
		for i, c := range cols {
			if c.elastic != nil && widths[i] < c.max && left > 0 {
				widths[i]++
				left--
				grew = true
			}
		}
	}
}

func cell(sp span, c column, width, i, n int) line {
	if i < n-1 || c.right {
		sp.text = pad(sp.text, width, c.right)
	}
	if i == n-1 {
		return line{sp}
	}
	return line{sp, plain(gap)}
}
