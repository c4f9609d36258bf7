// labels.csv: one line per sample, with the label that people gave it and the package that it came from.

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

// Label is a sample's class: Normal is the negative class, Defect the positive one.
type Label int8

// The two labels, as a network's targets have them.
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

// MarshalText returns the word for the label in labels.csv.
func (l Label) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText accepts the words that MarshalText returns, and no others.
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
	Given    Label  // as in labels.csv: metrics are reported under both labels
	Package  string // the group that must not be split; "" when the set names no packages
	Position int    // in the package, as in labels.csv; with a grid the cell, counted from 1; 0 when empty
	Line     int    // in labels.csv, counted from 1
}

var labelColumns = []string{"id", "label", "package", "position"}

// parseLabels parses the text of labels.csv. It leaves out lines that have problems, so that a check can
// continue with the other samples.
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
				ps.addf(file, line, "sample %s: position %q is not a whole number, 0 or more", sample.ID, position)
			}
			sample.Position = n
		}
		sample.Label = sample.Given
		if len(ps) == before {
			samples = append(samples, sample)
		}
	})
	if len(samples) == 0 && len(ps) == 0 {
		ps.addf(file, 1, "has a header but no samples below it")
	}
	checkPackages(file, samples, &ps)
	return samples, ps
}

// checkPackages refuses a set in which some samples name a package and others do not: such a set cannot
// be split by package.
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
		ps.addf(file, s.Line, "sample %s names no package, but other samples do", s.ID)
	}
}

// checkLayout checks that labels.csv fits the layout of the image files. Where files are found by
// package, every sample needs a package. With a grid, every sample needs a cell, and a cell may have at
// most one sample. checkLayout returns the samples without problems.
func (c Config) checkLayout(file string, samples []Sample) ([]Sample, problems) {
	if !c.byPackage() {
		return samples, nil
	}
	var ps problems
	if len(samples) > 0 && !slices.ContainsFunc(samples, func(s Sample) bool { return s.Package != "" }) {
		ps.addf(file, samples[0].Line, "no sample names a package, but %s needs it to find the images (files %q)",
			ConfigFile, c.Files)
		return nil, ps
	}
	type cell struct {
		packageName string
		position    int
	}
	taken := map[cell]Sample{}
	fitting := make([]Sample, 0, len(samples))
	for _, s := range samples {
		at := cell{s.Package, s.Position}
		other, occupied := taken[at]
		switch {
		case s.Package == "": // checkPackages has added this problem
			continue
		case c.Grid == nil:
		case s.Position < 1 || s.Position > c.Grid.Cells():
			ps.addf(file, s.Line, "sample %s: position %d is outside the grid: its %s cells have positions 1 to %d",
				s.ID, s.Position, c.Grid, c.Grid.Cells())
			continue
		case occupied:
			ps.addf(file, s.Line, "sample %s: position %d of package %s is already taken by sample %s (line %d)",
				s.ID, s.Position, s.Package, other.ID, other.Line)
			continue
		}
		taken[at] = s
		fitting = append(fitting, s)
	}
	return fitting, ps
}

// readTable parses comma-separated text with exactly these columns. It calls row for every line below the
// header that has the right number of fields, and adds a problem for every other line. It skips the byte
// order mark that spreadsheets write at the beginning of a file.
func readTable(file string, text []byte, columns []string, ps *problems, row func(line int, fields []string)) {
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	reader.FieldsPerRecord = -1 // the number of fields is checked below, with our own message
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
			ps.addf(file, line, "the header is %q; it must be %q, separated by commas",
				strings.Join(fields, ","), want)
			return
		case first:
		case len(fields) != len(columns):
			ps.addf(file, line, "has %d fields, but the header has %d (%s)", len(fields), len(columns), want)
		default:
			row(line, fields)
		}
	}
}
