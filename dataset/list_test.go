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
		writeUniform(t, filepath.Join(dir, name), image.NewUniform(color.Gray{Y: value}), 4, 4)
	}
	list := filepath.Join(dir, "list.csv")
	writeText(t, list, "id,GRAY,NORMAL\nfirst,a.png,"+filepath.Join(dir, "b.png")+"\nsecond,b.png,a.png\n")
	l, err := LoadList(list, []string{"GRAY", "NORMAL"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Images(context.Background(), []int{1, 0}, 1)
	if err != nil || !slices.Equal(got, []uint8{200, 10, 10, 200}) {
		t.Errorf("pixels %v, error %v", got, err)
	}
	if !slices.Equal(l.IDs, []string{"first", "second"}) {
		t.Errorf("ids %v", l.IDs)
	}
}

func TestListProblemsNameTheirFileAndLine(t *testing.T) {
	dir := t.TempDir()
	writeUniform(t, filepath.Join(dir, "good.png"), image.NewUniform(color.Gray{Y: 1}), 4, 4)
	writeUniform(t, filepath.Join(dir, "small.png"), image.NewUniform(color.Gray{Y: 1}), 2, 2)
	writeUniform(t, filepath.Join(dir, "wide.png"), image.NewUniform(color.Gray16{Y: 4095}), 4, 4)
	writeText(t, filepath.Join(dir, "text.png"), "not an image")
	const head = "id,GRAY,NORMAL\n"
	for name, c := range map[string]struct{ list, want string }{
		"channels in another order": {
			list: "id,NORMAL,GRAY\n",
			want: `:1: the header is "id,NORMAL,GRAY"; it must be "id,GRAY,NORMAL"`,
		},
		"nothing below the header": {
			list: head,
			want: ":1: has a header but no samples below it",
		},
		"an id that cannot be a file name": {
			list: head + "../x,good.png,good.png\n",
			want: `:2: id "../x"`,
		},
		"an id twice": {
			list: head + "x,good.png,good.png\nx,good.png,good.png\n",
			want: ":3: sample x is already in line 2",
		},
		"a channel without a file": {
			list: head + "x,good.png,\n",
			want: ":2: sample x: channel NORMAL has no file",
		},
		"a missing file": {
			list: head + "x,good.png,none.png\n",
			want: ":2: sample x: " + filepath.Join(dir, "none.png"),
		},
		"a file of another size": {
			list: head + "x,good.png,small.png\n",
			want: "is 2 x 2 pixels, but channel GRAY is 4 x 4",
		},
		"a file that is not an image": {
			list: head + "x,good.png,text.png\n",
			want: "text.png is not a readable PNG, JPEG or TIFF",
		},
		"16 bits without a range": {
			list: head + "x,wide.png,good.png\n",
			want: "wide.png has 16 bits a pixel",
		},
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

// writeUniform writes a PNG file in which every pixel has the colour of the first pixel of colour.
func writeUniform(t *testing.T, file string, colour image.Image, width, height int) {
	t.Helper()
	var picture image.Image
	switch colour.At(0, 0).(type) {
	case color.Gray16:
		p := image.NewGray16(image.Rect(0, 0, width, height))
		for i := range width * height {
			p.Set(i%width, i/width, colour.At(0, 0))
		}
		picture = p
	default:
		p := image.NewGray(image.Rect(0, 0, width, height))
		for i := range width * height {
			p.Set(i%width, i/width, colour.At(0, 0))
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
