// Digests: they identify the bytes that a trial read.

package dataset

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// Digests tell whether two trials learned from the same data. Each is "sha256:" followed by 64
// hexadecimal digits.
type Digests struct {
	// Data covers dataset.yaml, every sample's id and every image file's bytes; with a grid also each
	// sample's cell.
	Data string `json:"data"`
	// Labels covers the bytes of labels.csv.
	Labels string `json:"labels"`
	// Overlay covers the bytes of the corrections file; "" without corrections.
	Overlay string `json:"overlay,omitempty"`
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// shortDigest returns as much of a digest as a person needs to compare two.
func shortDigest(digest string) string { return fmt.Sprintf("%.19s…", digest) }

// hashFiles returns the digest of a capture's channel files, one after the other in the set's channel
// order. It is "" when there are problems.
func (s *Set) hashFiles(c capture) (string, problems, error) {
	var ps problems
	digester := wire.NewDigester()
	for _, channel := range s.Config.Channels {
		file := s.imageFile(c.first, channel)
		if err := copyFile(digester, file, maxImageBytes, func(int64) {}); err != nil {
			reason, err := problemOf(err)
			if err != nil {
				return "", nil, err
			}
			ps.addf(s.labelsFile(), c.first.Line, "%s: %s %s", s.title(c), file, reason)
		}
	}
	if len(ps) > 0 {
		return "", ps, nil
	}
	return digester.Digest(), nil, nil
}

// sampleDigest identifies a sample's image. Without a grid it is filesDigest, the digest of the
// sample's files. With a grid the samples of a package share their files, so that the digest also
// covers the sample's cell. It does not cover the margins: they move the cells' borders, and the cell
// still shows the same eraser.
func (s *Set) sampleDigest(sample Sample, filesDigest string) string {
	if s.Config.Grid == nil || filesDigest == "" {
		return filesDigest
	}
	return wire.Digest(fmt.Appendf(nil, "%s cell %d of %s", filesDigest, sample.Position, s.Config.Grid))
}

// finishDigests completes the set's digests from those of its captures, and refuses the corrections
// that were written for other images. digests has one entry per capture.
func (s *Set) finishDigests(captures []capture, digests []string) problems {
	s.fileDigests = make(map[string]string, len(s.listed))
	byID := make(map[string]string, len(s.listed))
	lines := make([]string, 0, len(s.listed))
	for n, c := range captures {
		for _, i := range c.samples {
			sample := s.listed[i]
			s.fileDigests[sample.ID] = digests[n]
			byID[sample.ID] = s.sampleDigest(sample, digests[n])
			lines = append(lines, sample.ID+" "+byID[sample.ID]+"\n")
		}
	}
	slices.Sort(lines) // by id: the order of labels.csv says nothing about the images
	s.Digests.Data = wire.Digest([]byte(s.Digests.Data + "\n" + strings.Join(lines, "")))
	return matchDigests(s.correctionsFile, s.corrections, byID)
}
