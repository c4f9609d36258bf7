// corrections.csv: what a reviewer found out about labels, laid over labels.csv
// without touching it. A correction states what it corrects, the image by its
// digest and the label it saw, and is refused when either is not what lies here.

package dataset

import (
	"fmt"
	"regexp"
	"time"
)

// Correction is one line of an overlay. The file is only ever appended to: of
// several lines for one sample the last one counts.
type Correction struct {
	ID       string
	Digest   string // sha256 of the sample's channel files, one after the other in the set's order; with a grid see sampleDigest
	From     Label  // what labels.csv says
	To       string // normal, defect, keep (the label is right after all) or exclude
	Reason   string
	Reviewer string
	Date     time.Time
	Line     int
}

const (
	// Keep silences a doubt: the label stays as it is.
	Keep = "keep"
	// Exclude takes the sample out of the set.
	Exclude = "exclude"
)

var correctionColumns = []string{"id", "digest", "from", "to", "reason", "reviewer", "date"}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// parseCorrections reads an overlay's text; lines with problems are left out.
func parseCorrections(file string, text []byte) ([]Correction, problems) {
	var ps problems
	var corrections []Correction
	readTable(file, text, correctionColumns, &ps, func(line int, row []string) {
		before := len(ps)
		c := Correction{ID: row[0], Digest: row[1], To: row[3], Reason: row[4], Reviewer: row[5], Line: line}
		if !digestForm.MatchString(c.Digest) {
			ps.addf(file, line, "sample %s: digest %q is not sha256: and 64 hexadecimal digits", c.ID, c.Digest)
		}
		if err := c.From.UnmarshalText([]byte(row[2])); err != nil {
			ps.addf(file, line, "sample %s: from: %s", c.ID, err)
		}
		switch c.To {
		case Keep, Exclude:
		case Normal.String(), Defect.String():
			if c.To == row[2] {
				ps.addf(file, line, "sample %s: from and to are both %s; a label that was confirmed is written keep", c.ID, c.To)
			}
		default:
			ps.addf(file, line, "sample %s: to %q is none of normal, defect, keep, exclude", c.ID, c.To)
		}
		if c.Reason == "" || c.Reviewer == "" {
			ps.addf(file, line, "sample %s: a correction needs a reason and a reviewer", c.ID)
		}
		date, err := time.Parse(time.DateOnly, row[6])
		if err != nil {
			ps.addf(file, line, "sample %s: date %q is not written as 2026-11-24", c.ID, row[6])
		}
		c.Date = date
		if len(ps) == before {
			corrections = append(corrections, c)
		}
	})
	return corrections, ps
}

// correct lays the overlay over the samples and returns the samples that are
// left. Corrections that do not fit labels.csv are problems and change nothing.
func correct(file string, samples []Sample, corrections []Correction) ([]Sample, problems) {
	var ps problems
	index := make(map[string]int, len(samples))
	for i, s := range samples {
		index[s.ID] = i
	}
	last := map[int]Correction{}
	for _, c := range corrections {
		i, known := index[c.ID]
		switch {
		case !known:
			ps.addf(file, c.Line, "sample %s is not in labels.csv", c.ID)
		case samples[i].Given != c.From:
			ps.addf(file, c.Line, "sample %s: the correction is from %s, but labels.csv line %d says %s", c.ID, c.From, samples[i].Line, samples[i].Given)
		default:
			last[i] = c
		}
	}
	left := make([]Sample, 0, len(samples))
	for i, s := range samples {
		c, corrected := last[i]
		if corrected && c.To == Exclude {
			continue
		}
		if corrected && c.To != Keep {
			s.Label = 1 - s.Given // from and to differ, and there are two labels
		}
		left = append(left, s)
	}
	return left, ps
}

// matchDigests refuses every correction that was written for other images.
// digests holds each sample's, "" where it could not be read (told elsewhere).
func matchDigests(file string, corrections []Correction, digests map[string]string) problems {
	var ps problems
	for _, c := range corrections {
		if here := digests[c.ID]; here != "" && here != c.Digest {
			ps.addf(file, c.Line, "sample %s: the correction is for images %s, but the images here are %s", c.ID, short(c.Digest), short(here))
		}
	}
	return ps
}

// short is enough of a digest for a person to compare.
func short(digest string) string {
	return fmt.Sprintf("%.19s…", digest)
}
