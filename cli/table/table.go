package table

import "plumbline.dev/plumbline/cli/text"

// Column is a column of a table. A fixed column has Cells. An elastic column has the function Elastic, which draws a
// cell in the width that the fixed columns leave, from Min to Max.
type Column struct {
	Title    string
	Cells    []text.Span
	Elastic  func(row, width int) text.Span
	Min, Max int
	Rank     int  // 0: always shown; on a narrow terminal the column with the highest rank is left out first
	Right    bool // cells are aligned to the right
}

const gap = "  " // between columns

// Lines returns the lines of a table that has rows rows below its header, for a terminal of w columns. w = 0 means any
// width.
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
			break // text.Style.Draw cuts lines that are too long
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
			var sp text.Span
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

// stretch widens the elastic columns in turn, by one terminal column each, until spare columns are used up.
func stretch(cols []Column, widths []int, spare int) {
	for grew := true; grew && spare > 0; {
		grew = false
		for i, c := range cols {
			if c.Elastic != nil && widths[i] < c.Max && spare > 0 {
				widths[i]++
				spare--
				grew = true
			}
		}
	}
}

// cell returns the spans of a cell in column i of n: its text, padded, and the gap to the next column.
func cell(sp text.Span, c Column, width, i, n int) text.Line {
	if i < n-1 || c.Right {
		sp.Text = text.Pad(sp.Text, width, c.Right)
	}
	if i == n-1 {
		return text.Line{sp}
	}
	return text.Line{sp, text.Plain(gap)}
}
