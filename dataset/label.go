// labels.csv: one line per sample, what people said about it and which package
// it came from.

package dataset

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Label is what a sample is: the negative class or the positive one.
type Label int8

const (
	Normal Label = 0
	Defect Label = 1
)

func (l Label) String() string {
	if l == Defect {
		return "defect"
	}
	return "normal"
}

// MarshalText writes a label as labels.csv has it.
func (l Label) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (l *Label) UnmarshalText(text []byte) error {
	switch string(text) {
	case "normal":
		*l = Normal
	case "defect":
		*l = Defect
	default:
		return fmt.Errorf("label %q is neither normal nor defect", text)
	}
	return nil
}

// Sample is one line of labels.csv after the corrections.
type Sample struct {
	ID       string
	Label    Label  // with corrections applied
	Given    Label  // as labels.csv has it: metrics are reported under both
	Package  string // the group that must not be split; "" when the set names no packages
	Position int    // in its package, as labels.csv counts, and with a grid its cell from 1; 0 when not given
	Line     int    // in labels.csv
}

var labelColumns = []string{"id", "label", "package", "position"}

// parseLabels reads labels.csv's text. Lines with problems are left out of what
// it returns, so that a check can go on with the rest.
func parseLabels(file string, text []byte) ([]Sample, problems) {
	var ps problems
	var samples []Sample
	firstLine := map[string]int{}
	readTable(file, text, labelColumns, &ps, func(line int, row []string) {
		before := len(ps)
		sample := Sample{ID: row[0], Package: row[2], Line: line}
		if reason := unsafeName(sample.ID); reason != "" {
			ps.addf(file, line, "id %q %s", sample.ID, reason)
		} else if first, twice := firstLine[sample.ID]; twice {
			ps.addf(file, line, "sample %s is already in line %d", sample.ID, first)
		} else {
			firstLine[sample.ID] = line
		}
		if err := sample.Given.UnmarshalText([]byte(row[1])); err != nil {
			ps.addf(file, line, "sample %s: %s", sample.ID, err)
		}
		if reason := unsafeName(sample.Package); sample.Package != "" && reason != "" {
			ps.addf(file, line, "sample %s: package %q %s", sample.ID, sample.Package, reason)
		}
		if position := row[3]; position != "" {
			n, err := strconv.Atoi(position)
			if err != nil || n < 0 {
				ps.addf(file, line, "sample %s: position %q is not a whole number from 0 up", sample.ID, position)
			}
			sample.Position = n
		}
		sample.Label = sample.Given
		if len(ps) == before {
			samples = append(samples, sample)
		}
	})
	if len(samples) == 0 && len(ps) == 0 {
		ps.addf(file, 1, "has a header and no samples below it")
	}
	checkPackages(file, samples, &ps)
	return samples, ps
}

// checkPackages: either every sample names its package or none does. A set
// where only some do cannot be split by package.
func checkPackages(file string, samples []Sample, ps *problems) {
	var without []Sample
	for _, s := range samples {
		if s.Package == "" {
			without = append(without, s)
		}
	}
	if len(without) == len(samples) {
		return
	}
	for _, s := range without {
		ps.addf(file, s.Line, "sample %s names no package though others do", s.ID)
	}
}

// placed checks what the layout of the files asks of labels.csv: a package where
// that is how files are found, and with a grid a cell for every sample and no
// more than one sample in it. It returns the samples that have their place.
func (c Config) placed(file string, samples []Sample) ([]Sample, problems) {
	if !c.byPackage() {
		return samples, nil
	}
	var ps problems
	if len(samples) > 0 && !slices.ContainsFunc(samples, func(s Sample) bool { return s.Package != "" }) {
		ps.addf(file, samples[0].Line, "no sample names its package, by which %s finds the images (files %q)", ConfigFile, c.Files)
		return nil, ps
	}
	type cell struct {
		of       string
		position int
	}
	taken := map[cell]Sample{}
	left := make([]Sample, 0, len(samples))
	for _, s := range samples {
		at := cell{s.Package, s.Position}
		other, full := taken[at]
		switch {
		case s.Package == "": // which checkPackages has told
			continue
		case c.Grid == nil:
		case s.Position < 1 || s.Position > c.Grid.Cells():
			ps.addf(file, s.Line, "sample %s: position %d is outside the grid of %s cells, which has 1 to %d", s.ID, s.Position, c.Grid, c.Grid.Cells())
			continue
		case full:
			ps.addf(file, s.Line, "sample %s: position %d of package %s is already sample %s's (line %d)", s.ID, s.Position, s.Package, other.ID, other.Line)
			continue
		}
		taken[at] = s
		left = append(left, s)
	}
	return left, ps
}

// readTable reads comma-separated text with exactly these columns and calls row
// for every line below the header that has as many. The byte order mark that
// spreadsheets put first is skipped.
func readTable(file string, text []byte, columns []string, ps *problems, row func(line int, fields []string)) {
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	reader.FieldsPerRecord = -1 // counted below, in our words
	want := strings.Join(columns, ",")
	for first := true; ; first = false {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			if first {
				ps.addf(file, 0, "is empty; it needs the header %s", want)
			}
			return
		}
		var parseError *csv.ParseError
		if errors.As(err, &parseError) {
			ps.addf(file, parseError.StartLine, "is not comma-separated text: %s", parseError.Err)
			continue
		}
		line, _ := reader.FieldPos(0)
		switch {
		case first && strings.Join(fields, ",") != want:
			ps.addf(file, line, "the header is %q; it must be %q, separated by commas", strings.Join(fields, ","), want)
			return
		case first:
		case len(fields) != len(columns):
			ps.addf(file, line, "has %d fields where the header has %d (%s)", len(fields), len(columns), want)
		default:
			row(line, fields)
		}
	}
}
