package dataset

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestListImagesAreInTheOrderOfTheIndices(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]uint8{"a.png": 10, "b.png": 200} {
		writePicture(t, filepath.Join(dir, name), image.NewUniform(color.Gray{Y: value}), 4, 4)
	}
	list := filepath.Join(dir, "list.csv")
	writeText(t, list, "id,GRAY,NORMAL\nfirst,a.png,"+filepath.Join(dir, "b.png")+"\nsecond,b.png,a.png\n")
	l, err := LoadList(list, []string{"GRAY", "NORMAL"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Images(context.Background(), []int{1, 0}, 1)
	if err != nil || !slices.Equal(got, []uint8{200, 10, 10, 200}) || !slices.Equal(l.IDs, []string{"first", "second"}) {
		t.Errorf("ids %v, pixels %v, error %v", l.IDs, got, err)
	}
}

func TestListProblemsNameTheirFileAndLine(t *testing.T) {
	dir := t.TempDir()
	writePicture(t, filepath.Join(dir, "good.png"), image.NewUniform(color.Gray{Y: 1}), 4, 4)
	writePicture(t, filepath.Join(dir, "small.png"), image.NewUniform(color.Gray{Y: 1}), 2, 2)
	writePicture(t, filepath.Join(dir, "wide.png"), image.NewUniform(color.Gray16{Y: 4095}), 4, 4)
	writeText(t, filepath.Join(dir, "text.png"), "no picture")
	for name, c := range map[string]struct{ list, want string }{
		"channels in another order": {"id,NORMAL,GRAY\n", `:1: the header is "id,NORMAL,GRAY"; it must be "id,GRAY,NORMAL"`},
		"nothing below the header":  {"id,GRAY,NORMAL\n", ":1: has a header but no samples below it"},
		"an id that leaves":         {"id,GRAY,NORMAL\n../x,good.png,good.png\n", `:2: id "../x"`},
		"an id twice":               {"id,GRAY,NORMAL\nx,good.png,good.png\nx,good.png,good.png\n", ":3: sample x is already in line 2"},
		"a channel without a file":  {"id,GRAY,NORMAL\nx,good.png,\n", ":2: sample x: channel NORMAL has no file"},
		"a file that is not there":  {"id,GRAY,NORMAL\nx,good.png,none.png\n", ":2: sample x: " + filepath.Join(dir, "none.png")},
		"a file of another size":    {"id,GRAY,NORMAL\nx,good.png,small.png\n", "is 2 x 2 pixels, but channel GRAY is 4 x 4"},
		"no picture":                {"id,GRAY,NORMAL\nx,good.png,text.png\n", "text.png is not a readable PNG, JPEG or TIFF"},
		"16 bits without a range":   {"id,GRAY,NORMAL\nx,wide.png,good.png\n", "wide.png has 16 bits a pixel"},
	} {
		file := filepath.Join(dir, "list.csv")
		writeText(t, file, c.list)
		l, err := LoadList(file, []string{"GRAY", "NORMAL"}, nil)
		if err == nil {
			_, err = l.Images(context.Background(), []int{0}, 2)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want …%s…", name, err, c.want)
		}
	}
	file := filepath.Join(dir, "list.csv")
	writeText(t, file, "id,GRAY\nx,wide.png\n")
	l, err := LoadList(file, []string{"GRAY"}, &Range16{Max: 4095})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Images(context.Background(), []int{0}, 1); err != nil || got[0] != 255 {
		t.Errorf("16 bits with a range: %v, %v", got, err)
	}
}

func writePicture(t *testing.T, file string, of image.Image, width, height int) {
	t.Helper()
	var picture image.Image
	switch of.At(0, 0).(type) {
	case color.Gray16:
		p := image.NewGray16(image.Rect(0, 0, width, height))
		for i := range width * height {
			p.Set(i%width, i/width, of.At(0, 0))
		}
		picture = p
	default:
		p := image.NewGray(image.Rect(0, 0, width, height))
		for i := range width * height {
			p.Set(i%width, i/width, of.At(0, 0))
		}
		picture = p
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	writeText(t, file, b.String())
}

func writeText(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
