// corrections.csv: what a reviewer decided about labels. Corrections change labels without changing
// labels.csv. Each names the image's digest and the label that the reviewer saw, and is refused when
// either differs from the set's.

package dataset

import (
	"time"
)

// Correction is one line of corrections.csv. Lines are only ever appended to the file: of several lines
// for one sample, the last one counts.
type Correction struct {
	ID string // of the sample
	// Digest is that of the sample's channel files, one after the other in the set's channel order. With a
	// grid it also covers the sample's cell; see sampleDigest.
	Digest   string
	From     Label  // the label in labels.csv
	To       string // normal, defect, keep (the label is right after all) or exclude
	Reason   string
	Reviewer string
	Date     time.Time
	Line     int
}

const (
	// Keep confirms the label: a reviewer doubted it and found it right.
	Keep = "keep"
	// Exclude removes the sample from the set.
	Exclude = "exclude"
)

var correctionColumns = []string{"id", "digest", "from", "to", "reason", "reviewer", "date"}

// parseCorrections parses the text of a corrections file. It leaves out lines that have problems.
func parseCorrections(file string, text []byte) ([]Correction, problems) {
	var ps problems
	var corrections []Correction
	readTable(file, text, correctionColumns, &ps, func(line int, row []string) {
		before := len(ps)
		c := Correction{ID: row[0], Digest: row[1], To: row[3], Reason: row[4], Reviewer: row[5], Line: line}
		if !digestForm.MatchString(c.Digest) {
			ps.addf(file, line, "sample %s: digest %q is not sha256: followed by 64 hexadecimal digits", c.ID, c.Digest)
		}
		if err := c.From.UnmarshalText([]byte(row[2])); err != nil {
			ps.addf(file, line, "sample %s: from: %s", c.ID, err)
		}
		switch c.To {
		case Keep, Exclude:
		case Normal.String(), Defect.String():
			if c.To == row[2] {
				ps.addf(file, line, "sample %s: from and to are both %s; to confirm a label, write keep", c.ID, c.To)
			}
		default:
			ps.addf(file, line, "sample %s: to %q is not one of normal, defect, keep, exclude", c.ID, c.To)
		}
		if c.Reason == "" || c.Reviewer == "" {
			ps.addf(file, line, "sample %s: a correction needs a reason and a reviewer", c.ID)
		}
		date, err := time.Parse(time.DateOnly, row[6])
		if err != nil {
			ps.addf(file, line, "sample %s: date %q is not a date like 2026-11-24", c.ID, row[6])
		}
		c.Date = date
		if len(ps) == before {
			corrections = append(corrections, c)
		}
	})
	return corrections, ps
}

// applyCorrections returns the samples with their corrected labels, without those that are excluded.
// A correction that does not fit labels.csv is a problem and changes nothing.
func applyCorrections(file string, samples []Sample, corrections []Correction) ([]Sample, problems) {
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
			ps.addf(file, c.Line, "sample %s: the correction is from %s, but labels.csv line %d says %s",
				c.ID, c.From, samples[i].Line, samples[i].Given)
		default:
			last[i] = c
		}
	}
	kept := make([]Sample, 0, len(samples))
	for i, s := range samples {
		c, corrected := last[i]
		if corrected && c.To == Exclude {
			continue
		}
		if corrected && c.To != Keep {
			s.Label = 1 - s.Given // there are two labels, and to differs from from
		}
		kept = append(kept, s)
	}
	return kept, ps
}

// matchDigests refuses every correction that was written for another image. digests holds each sample's digest by id,
// or "" if the image could not be read, which has been added as a problem already.
func matchDigests(file string, corrections []Correction, digests map[string]string) problems {
	var ps problems
	for _, c := range corrections {
		if here := digests[c.ID]; here != "" && here != c.Digest {
			ps.addf(file, c.Line, "sample %s: the correction is for images with digest %s, but the images here have %s",
				c.ID, shortDigest(c.Digest), shortDigest(here))
		}
	}
	return ps
}
