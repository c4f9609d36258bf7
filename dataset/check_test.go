package dataset

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckGoodSet(t *testing.T) {
	dir := goodSet().write(t)
	calls := 0
	got, err := Check(context.Background(), dir, "", func(done, total int) { calls++ })
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &CheckResult{
		Dir: dir, Name: "erasers", Channels: []string{"AM", "GRAY"}, Samples: 6,
		Classes:  Counts{3, 3},
		Packages: []PackageCount{{"p1", Counts{1, 1}}, {"p2", Counts{1, 1}}, {"p3", Counts{1, 1}}},
		Sizes:    []SizeCount{{4, 4, 8, 12}},
		Digests:  s.Digests,
		Problems: []Problem{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if calls != 6 {
		t.Errorf("progress was called %d times, want 6", calls)
	}
}

// Every file of this set has a problem.
func TestCheckFindsEverythingAtOnce(t *testing.T) {
	f := goodSet()
	f["labels.csv"] = []byte(strings.Replace(sixSamples, "e1,normal", "e1,nromal", 1))
	f["images/AM/e2.png"] = []byte("not an image")
	delete(f, "images/GRAY/e3.png")
	f["images/GRAY/e4.png"] = encodePNG(greys(8, 4, func(x, y int) uint8 { return uint8(x) }))
	f["images/AM/e6.png"] = f["images/AM/e5.png"]
	f["images/GRAY/e6.png"] = f["images/GRAY/e5.png"]
	f["c.csv"] = []byte(correctionHead + "e5,sha256:x,normal,defect,r,ada,2026-11-20\n")
	dir := f.write(t)
	result, err := Check(context.Background(), dir, dir+"/c.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`labels.csv:2: sample e1: label "nromal" is neither normal nor defect`,
		"labels.csv:3: sample e2: images/AM/e2.png is not a readable PNG, JPEG or TIFF file: image: unknown format",
		"labels.csv:4: sample e3: images/GRAY/e3.png is missing",
		"labels.csv:5: sample e4: images/GRAY/e4.png is 8 x 4 pixels, but channel AM is 4 x 4",
		"labels.csv:7: sample e6: the image of AM, GRAY is byte for byte the same as that of sample e5 (line 6)",
		`c.csv:2: sample e5: digest "sha256:x" is not sha256: followed by 64 hexadecimal digits`,
	}
	if diff := cmp.Diff(want, problemTexts(dir, &ProblemsError{result.Problems})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]SizeCount{{4, 4, 8, 7}, {8, 4, 8, 1}}, result.Sizes); diff != "" {
		t.Error("files that can be decoded are counted in spite of the problems:", diff)
	}
	if result.Digests != (Digests{}) {
		t.Errorf("a set with problems has digests %v", result.Digests)
	}
}

func TestCheckWithoutASet(t *testing.T) {
	dir := t.TempDir()
	result, err := Check(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"dataset.yaml: is missing"}
	if diff := cmp.Diff(want, problemTexts(dir, &ProblemsError{result.Problems})); diff != "" {
		t.Error(diff)
	}
}

func TestCheckDoesNotDecodeExcludedSamples(t *testing.T) {
	f := goodSet()
	f["images/AM/e3.png"] = []byte("not an image")
	dir := f.write(t)
	digest := digestsOf(t, dir)["e3"]
	f["c.csv"] = []byte(correctionHead + "e3," + digest + ",normal,exclude,broken file,ada,2026-11-20\n")
	dir = f.write(t)
	result, err := Check(context.Background(), dir, dir+"/c.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Problems) > 0 || result.Excluded != 1 || result.Samples != 5 {
		t.Errorf("got %+v", result)
	}
}

// A copy and its original may be in two parts of a split, so the set is refused until one of the two is
// excluded.
func TestACopiedSampleIsRefused(t *testing.T) {
	f := goodSet()
	f["images/AM/e6.png"], f["images/GRAY/e6.png"] = f["images/AM/e1.png"], f["images/GRAY/e1.png"]
	digest := digestsOf(t, goodSet().write(t))["e1"]
	f["c.csv"] = []byte(correctionHead + "e6," + digest + ",defect,exclude,a copy,ada,2026-11-20\n")
	dir := f.write(t)
	for name, c := range map[string]struct {
		overlay string
		want    []string
	}{
		"copied": {overlay: "", want: []string{
			"labels.csv:7: sample e6: the image of AM, GRAY is byte for byte the same as that of sample e1 (line 2)",
		}},
		"excluded": {overlay: dir + "/c.csv", want: nil},
	} {
		result, err := Check(context.Background(), dir, c.overlay, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Load(context.Background(), dir, c.overlay, nil)
		if c.want == nil {
			if err != nil || len(result.Problems) > 0 {
				t.Errorf("%s: loading: %v; checking: %v", name, err, result.Problems)
			}
			continue
		}
		if diff := cmp.Diff(c.want, problemTexts(dir, err)); diff != "" {
			t.Errorf("%s: loading: %s", name, diff)
		}
		if diff := cmp.Diff(c.want, problemTexts(dir, &ProblemsError{result.Problems})); diff != "" {
			t.Errorf("%s: checking: %s", name, diff)
		}
	}
}
