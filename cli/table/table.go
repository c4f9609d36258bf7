package table

import "plumbline.dev/plumbline/cli/text"

// Column of a table. Fixed ones have cells; elastic ones are drawn at whatever width is left, from min to max.
type Column struct {
	Title    string
	Cells    []text.Span
	Elastic  func(row, width int) text.Span
	Min, Max int
	Rank     int  // 0: always shown; of the others the highest is left out first when the terminal is narrow
	Right    bool // aligned
}

const gap = "  " // between columns

// Lines lays columns out for a terminal of w columns; w = 0 does not limit.
func Lines(cols []Column, rows, w int) []text.Line {
	widths := make([]int, len(cols))
	total := -len(gap)
	for i, c := range cols {
		widths[i] = max(text.Columns(c.Title), c.Min)
		for _, span := range c.Cells {
			widths[i] = max(widths[i], text.Columns(span.Text))
		}
		total += widths[i] + len(gap)
	}
	for w > 0 && total > w {
		drop := 0
		for i, c := range cols {
			if c.Rank > cols[drop].Rank {
				drop = i
			}
		}
		if cols[drop].Rank == 0 {
			break // text.Style.Draw cuts what is too long
		}
		total -= widths[drop] + len(gap)
		cols = append(cols[:drop:drop], cols[drop+1:]...)
		widths = append(widths[:drop:drop], widths[drop+1:]...)
	}
	stretch(cols, widths, w-total)

	lines := make([]text.Line, 0, rows+1)
	header := text.Line{}
	for i, c := range cols {
		header = append(header, cell(text.Painted(c.Title, text.Bold), c, widths[i], i, len(cols))...)
	}
	lines = append(lines, header)
	for row := range rows {
		l := text.Line{}
		for i, c := range cols {
			sp := text.Span{}
			if c.Elastic != nil {
				sp = c.Elastic(row, widths[i])
			} else {
				sp = c.Cells[row]
			}
			l = append(l, cell(sp, c, widths[i], i, len(cols))...)
		}
		lines = append(lines, l)
	}
	return lines
}

// stretch gives what is left of the width to the elastic columns, a column at a time to each.
func stretch(cols []Column, widths []int, left int) {
	for grew := true; grew && left > 0; {
		grew = false
		for i, c := range cols {
			if c.Elastic != nil && widths[i] < c.Max && left > 0 {
				widths[i]++
				left--
				grew = true
			}
		}
	}
}

func cell(sp text.Span, c Column, width, i, n int) text.Line {
	if i < n-1 || c.Right {
		sp.Text = text.Pad(sp.Text, width, c.Right)
	}
	if i == n-1 {
		return text.Line{sp}
	}
	return text.Line{sp, text.Plain(gap)}
}
