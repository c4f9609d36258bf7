package dataset

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/wire"
)

const correctionHead = "id,digest,from,to,reason,reviewer,date\n"

// digestsOf loads the set in dir and returns its samples' digests by id.
func digestsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{}
	for _, sample := range s.Samples {
		digests[sample.ID] = s.sampleDigest(sample, s.fileDigests[sample.ID])
	}
	return digests
}

func TestCorrectionsChangeLabels(t *testing.T) {
	f := goodSet()
	digests := digestsOf(t, f.write(t))
	f["review.csv"] = []byte(correctionHead +
		"e1," + digests["e1"] + ",normal,defect,smear on the M,ada,2026-11-20\n" +
		"e2," + digests["e2"] + ",defect,keep,looked twice,ada,2026-11-20\n" +
		"e3," + digests["e3"] + ",normal,exclude,hand in the picture,ada,2026-11-20\n" +
		"e4," + digests["e4"] + ",defect,normal,dust,ada,2026-11-20\n" +
		"e4," + digests["e4"] + ",defect,keep,no: a scratch,bob,2026-11-21\n")
	f["dataset.yaml"] = append(f["dataset.yaml"], "corrections: review.csv\n"...)
	dir := f.write(t)
	s, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, sample := range s.Samples {
		got[sample.ID] = sample.Given.String() + " " + sample.Label.String()
	}
	want := map[string]string{
		"e1": "normal defect",
		"e2": "defect defect",
		"e4": "defect defect",
		"e5": "normal normal",
		"e6": "defect defect",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.Digests.Overlay != wire.Digest(f["review.csv"]) {
		t.Errorf("overlay digest %q", s.Digests.Overlay)
	}

	given := goodSet()
	given["empty.csv"] = []byte(correctionHead)
	other, err := Load(context.Background(), dir, given.write(t)+"/empty.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(other.Samples) != 6 {
		t.Errorf("the overlay given to Load did not replace the set's own: %d samples", len(other.Samples))
	}
	if other.Digests.Data != s.Digests.Data {
		t.Error("an overlay changed the data digest")
	}
}

func TestCorrectionsThatDoNotFitAreRefused(t *testing.T) {
	f := goodSet()
	digests := digestsOf(t, f.write(t))
	d1, d2 := digests["e1"], digests["e2"]
	for name, c := range map[string]struct {
		lines []string
		want  []string
	}{
		"an unknown sample": {
			lines: []string{"e9," + d1 + ",normal,defect,r,ada,2026-11-20"},
			want:  []string{"c.csv:2: sample e9 is not in labels.csv"},
		},
		"another label than the reviewer saw": {
			lines: []string{"e1," + d1 + ",defect,normal,r,ada,2026-11-20"},
			want:  []string{"c.csv:2: sample e1: the correction is from defect, but labels.csv line 2 says normal"},
		},
		"another image than the reviewer saw": {
			lines: []string{"e1," + d2 + ",normal,defect,r,ada,2026-11-20"},
			want: []string{"c.csv:2: sample e1: the correction is for images with digest " + shortDigest(d2) +
				", but the images here have " + shortDigest(d1)},
		},
		"every field wrong in one line": {
			lines: []string{"e1,abc,good,bad,,,yesterday"},
			want: []string{
				`c.csv:2: sample e1: digest "abc" is not sha256: followed by 64 hexadecimal digits`,
				`c.csv:2: sample e1: from: label "good" is neither normal nor defect`,
				`c.csv:2: sample e1: to "bad" is not one of normal, defect, keep, exclude`,
				"c.csv:2: sample e1: a correction needs a reason and a reviewer",
				`c.csv:2: sample e1: date "yesterday" is not a date like 2026-11-24`,
			},
		},
		"a correction that changes nothing": {
			lines: []string{"e1," + d1 + ",normal,normal,r,ada,2026-11-20"},
			want:  []string{"c.csv:2: sample e1: from and to are both normal; to confirm a label, write keep"},
		},
		"one class left": {
			lines: []string{
				"e2," + d2 + ",defect,normal,r,ada,2026-11-20",
				"e4," + digests["e4"] + ",defect,exclude,r,ada,2026-11-20",
				"e6," + digests["e6"] + ",defect,exclude,r,ada,2026-11-20",
			},
			want: []string{"labels.csv:2: all 4 samples are normal; training needs some that are defect"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := goodSet()
			f["c.csv"] = []byte(correctionHead + strings.Join(c.lines, "\n") + "\n")
			dir := f.write(t)
			_, err := Load(context.Background(), dir, dir+"/c.csv", nil)
			if diff := cmp.Diff(c.want, problemTexts(dir, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseCorrections(f *testing.F) {
	digest := wire.Digest(nil)
	f.Add([]byte(correctionHead +
		"e1," + digest + ",normal,defect,r,ada,2026-11-20\n" +
		"e2," + digest + ",defect,exclude,r,ada,2026-11-20\n"))
	f.Add([]byte(correctionHead + "e1,abc,good,bad,,,yesterday\n"))
	f.Add([]byte("\ufeff" + correctionHead + "\"e1\"," + digest + ",normal,keep,\"a, b\",ada,2026-02-30\n"))
	samples, _ := parseLabels("labels.csv", []byte(sixSamples))
	f.Fuzz(func(t *testing.T, text []byte) {
		corrections, _ := parseCorrections("c.csv", text)
		kept, _ := applyCorrections("c.csv", samples, corrections)
		if len(kept) > len(samples) {
			t.Errorf("%d samples out of %d", len(kept), len(samples))
		}
		for _, s := range kept {
			if s.Label != Normal && s.Label != Defect {
				t.Errorf("sample %s has label %d", s.ID, s.Label)
			}
		}
		for _, c := range corrections {
			if !digestForm.MatchString(c.Digest) || c.Reviewer == "" || c.To == c.From.String() {
				t.Errorf("accepted %+v", c)
			}
		}
	})
}
