package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/tiff"
)

// files holds the content of a directory's files by path.
type files map[string][]byte

func (f files) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const sixSamples = `id,label,package,position
e1,normal,p1,1
e2,defect,p1,2
e3,normal,p2,1
e4,defect,p2,2
e5,normal,p3,1
e6,defect,p3,2
`

// goodSet has six samples of two channels without problems. Every image has other pixel values.
func goodSet() files {
	f := files{
		"dataset.yaml": []byte("name: erasers\nchannels: [AM, GRAY]\n"),
		"labels.csv":   []byte(sixSamples),
	}
	for i := 1; i <= 6; i++ {
		for c, channel := range []string{"AM", "GRAY"} {
			at := func(x, y int) uint8 { return uint8(100*c + 10*i + 2*x + y) }
			f[fmt.Sprintf("images/%s/e%d.png", channel, i)] = encodePNG(greys(4, 4, at))
		}
	}
	return f
}

func greys(w, h int, at func(x, y int) uint8) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			g.SetGray(x, y, color.Gray{at(x, y)})
		}
	}
	return g
}

func encodePNG(m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func encodeJPEG(m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func encodeTIFF(m image.Image) []byte {
	var b bytes.Buffer
	if err := tiff.Encode(&b, m, &tiff.Options{Compression: tiff.Deflate}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestLoadGoodSet(t *testing.T) {
	s, err := Load(context.Background(), goodSet().write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Sample{
		{"e1", Normal, Normal, "p1", 1, 2}, {"e2", Defect, Defect, "p1", 2, 3},
		{"e3", Normal, Normal, "p2", 1, 4}, {"e4", Defect, Defect, "p2", 2, 5},
		{"e5", Normal, Normal, "p3", 1, 6}, {"e6", Defect, Defect, "p3", 2, 7},
	}
	if diff := cmp.Diff(want, s.Samples); diff != "" {
		t.Error(diff)
	}
	packed, err := s.Pack(context.Background(), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) != 6*4*4*2 {
		t.Fatalf("packed %d bytes", len(packed))
	}
	// Sample 2, row 3, column 1, both channels: 100c + 10*3 + 2*1 + 3.
	at := ((2*4+3)*4 + 1) * 2
	if diff := cmp.Diff([]uint8{35, 135}, packed[at:at+2]); diff != "" {
		t.Error(diff)
	}
	one, err := s.Image(2, 4)
	if err != nil || !bytes.Equal(one, packed[2*32:3*32]) {
		t.Errorf("Image differs from Pack's part (%v)", err)
	}
}

func TestDigestsChangeWithWhatTheyCover(t *testing.T) {
	digests := func(f files, overlay string) Digests {
		t.Helper()
		s, err := Load(context.Background(), f.write(t), overlay, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Digests
	}
	base := digests(goodSet(), "")
	if again := digests(goodSet(), ""); again != base {
		t.Errorf("the same set elsewhere: %v, then %v", base, again)
	}

	pixel := goodSet()
	pixel["images/GRAY/e5.png"] = encodePNG(greys(4, 4, func(x, y int) uint8 { return 1 }))
	if got := digests(pixel, ""); got.Data == base.Data || got.Labels != base.Labels {
		t.Errorf("another image: %v after %v", got, base)
	}
	relabelled := goodSet()
	relabelled["labels.csv"] = []byte(strings.Replace(sixSamples, "e5,normal", "e5,defect", 1))
	if got := digests(relabelled, ""); got.Data != base.Data || got.Labels == base.Labels {
		t.Errorf("another label: %v after %v", got, base)
	}
	settings := goodSet()
	settings["dataset.yaml"] = []byte("name: erasers\nchannels: [GRAY, AM]\n")
	if got := digests(settings, ""); got.Data == base.Data {
		t.Error("the data digest does not cover the order of the channels")
	}
}

func TestLoadReturnsEveryProblem(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f files)
		want   []string // the directory left out
	}{
		"no dataset.yaml": {func(f files) { delete(f, "dataset.yaml") }, []string{"dataset.yaml: is missing"}},
		"no labels":       {func(f files) { delete(f, "labels.csv") }, []string{"labels.csv: is missing"}},
		"a header and no samples": {func(f files) { f["labels.csv"] = []byte("id,label,package,position\n") },
			[]string{"labels.csv:1: has a header but no samples below it"}},
		"an empty labels file": {func(f files) { f["labels.csv"] = nil },
			[]string{"labels.csv: is empty; it needs the header id,label,package,position"}},
		"one class": {func(f files) {
			f["labels.csv"] = []byte("id,label,package,position\ne1,normal,p1,1\ne2,normal,p1,2\n")
		}, []string{"labels.csv:2: all 2 samples are normal; training needs some that are defect"}},
		"missing images, named with the line of their sample": {func(f files) {
			delete(f, "images/AM/e2.png")
			delete(f, "images/GRAY/e6.png")
		}, []string{
			"labels.csv:3: sample e2: images/AM/e2.png is missing",
			"labels.csv:7: sample e6: images/GRAY/e6.png is missing",
		}},
		"a channel that is a directory": {func(f files) {
			delete(f, "images/AM/e2.png")
			f["images/AM/e2.png/x"] = nil
		}, []string{"labels.csv:3: sample e2: images/AM/e2.png is a directory, not a file"}},
		"faulty labels and a missing image at once": {func(f files) {
			f["labels.csv"] = []byte(strings.Replace(sixSamples, "e1,normal", "e1,nromal", 1))
			delete(f, "images/AM/e3.png")
		}, []string{
			`labels.csv:2: sample e1: label "nromal" is neither normal nor defect`,
			"labels.csv:4: sample e3: images/AM/e3.png is missing",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := goodSet()
			c.change(f)
			dir := f.write(t)
			_, err := Load(context.Background(), dir, "", nil)
			if diff := cmp.Diff(c.want, problemTexts(dir, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// problemTexts returns the texts of a ProblemsError's problems, with paths relative to dir.
func problemTexts(dir string, err error) []string {
	var e *ProblemsError
	if !errors.As(err, &e) {
		return []string{fmt.Sprintf("not a ProblemsError: %v", err)}
	}
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, strings.ReplaceAll(p.String(), dir+"/", ""))
	}
	return lines
}

func TestLoadMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	_, err := Load(context.Background(), dir, "", nil)
	if want := dir + ": there is no data set: no such directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	var ps problems
	for i := range 1381 {
		ps.addf("labels.csv", i+2, "sample e%d: images/AM/e%d.png is missing", i, i)
	}
	text := ps.err().Error()
	if len(text) > 1024 || !strings.HasSuffix(text, "and 1376 more (`plumb dataset check` lists them all)") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

func TestPackReturnsEveryProblem(t *testing.T) {
	f := goodSet()
	f["images/AM/e2.png"] = []byte("not an image")
	f["images/GRAY/e3.png"] = encodePNG(greys(8, 4, func(x, y int) uint8 { return uint8(x) }))
	otherRatio := encodePNG(greys(6, 4, func(x, y int) uint8 { return uint8(3 * x) }))
	f["images/AM/e4.png"], f["images/GRAY/e4.png"] = otherRatio, otherRatio
	f["images/AM/e5.png"] = f["images/AM/e5.png"][:60]
	f["images/AM/e6.png"] = encodeTIFF(image.NewGray16(image.Rect(0, 0, 4, 4)))
	dir := f.write(t)
	s, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Pack(context.Background(), 4, nil)
	want := []string{
		"labels.csv:3: sample e2: images/AM/e2.png is not a readable PNG, JPEG or TIFF file: image: unknown format",
		"labels.csv:4: sample e3: images/GRAY/e3.png is 8 x 4 pixels, but channel AM is 4 x 4",
		"labels.csv:5: sample e4 is 6 x 4 pixels, but most samples are 4 x 4; " +
			"all must have the same ratio of width to height",
		"labels.csv:6: sample e5: images/AM/e5.png has the header of a 4 x 4 png image, " +
			"but its pixels cannot be decoded: png: invalid format: unexpected EOF",
		"labels.csv:7: sample e6: images/AM/e6.png has 16 bits a pixel, " +
			"but dataset.yaml has no range16: add range16 to say which values are used",
	}
	if diff := cmp.Diff(want, problemTexts(dir, err)); diff != "" {
		t.Error(diff)
	}
}

func TestPackStopsWhenCancelled(t *testing.T) {
	s, err := Load(context.Background(), goodSet().write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Pack(ctx, 4, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPackCallsProgressForEverySample(t *testing.T) {
	s, err := Load(context.Background(), goodSet().write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	progress := func(done, total int) { calls = append(calls, fmt.Sprintf("%d/%d", done, total)) }
	if _, err := s.Pack(context.Background(), 4, progress); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1/6", "2/6", "3/6", "4/6", "5/6", "6/6"}, calls); diff != "" {
		t.Error(diff)
	}
}
