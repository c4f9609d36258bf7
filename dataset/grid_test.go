package dataset

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseGrid(t *testing.T) {
	const head = "name: a\nchannels: [AM, G]\n"
	for name, c := range map[string]struct {
		text string
		want Grid
		file string // of sample e1 of package p1, channel AM
	}{
		"rows and columns are enough": {
			text: head + "grid: {rows: 3, columns: 5}\n",
			want: Grid{Rows: 3, Columns: 5},
			file: "images/AM/p1.png",
		},
		"margins and a pattern of files": {
			text: head + "files: '{package}/{channel}.tif'\n" +
				"grid:\n  rows: 1\n  columns: 2\n  margin: {left: 12, bottom: 3}\n",
			want: Grid{1, 2, Margin{Left: 12, Bottom: 3}},
			file: "p1/AM.tif",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ps := parseConfig("dataset.yaml", []byte(c.text))
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			if diff := cmp.Diff(&c.want, got.Grid); diff != "" {
				t.Error(diff)
			}
			if file := got.file(Sample{ID: "e1", Package: "p1"}, "AM"); file != c.file {
				t.Errorf("the file is %s, want %s", file, c.file)
			}
		})
	}
}

func TestParseGridNamesEveryProblem(t *testing.T) {
	const head = "name: a\nchannels: [AM, G]\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"not a mapping": {"grid: 3x5\n", []string{
			"dataset.yaml:3: grid needs rows and columns, as in {rows: 3, columns: 5}",
		}},
		"no columns": {"grid: {rows: 3}\n", []string{
			"dataset.yaml:3: grid needs both rows and columns, as in {rows: 3, columns: 5}",
		}},
		"not whole numbers": {"grid:\n  rows: three\n  columns: 2.5\n", []string{
			"dataset.yaml:4: rows: three is not a whole number",
			"dataset.yaml:5: columns: 2.5 is not a whole number",
		}},
		"numbers out of bounds": {"grid:\n  rows: 0\n  columns: 1000001\n", []string{
			"dataset.yaml:4: grid: rows 0 is not between 1 and 1000",
			"dataset.yaml:5: grid: columns 1000001 is not between 1 and 1000",
		}},
		"impossible margins": {"grid:\n  rows: 1\n  columns: 2\n  margin: {left: -1, top: 40000, gap: 2}\n", []string{
			`dataset.yaml:6: unknown field "gap"; the known fields are bottom, left, right, top`,
			"dataset.yaml:6: margin: left -1 is not between 0 and 32767 pixels",
			"dataset.yaml:6: margin: top 40000 is not between 0 and 32767 pixels",
		}},
		"one margin for all sides": {"grid: {rows: 1, columns: 2, margin: 4}\n", []string{
			"dataset.yaml:3: margin needs a number of pixels for each side, " +
				"as in {left: 12, top: 8, right: 12, bottom: 8}",
		}},
		"one file per sample": {"grid: {rows: 1, columns: 2}\nfiles: images/{channel}/{id}.png\n", []string{
			`dataset.yaml:4: files "images/{channel}/{id}.png" has {id}, ` +
				`but with a grid one image shows all samples of a package: use {package}`,
		}},
		"one file for all packages": {"grid: {rows: 1, columns: 2}\nfiles: images/{channel}.png\n", []string{
			`dataset.yaml:4: files "images/{channel}.png" lacks {package}: every package would have the same file`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, ps := parseConfig("dataset.yaml", []byte(head+c.text))
			if diff := cmp.Diff(c.want, problemTexts("/set", ps.err())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// This test pins the rule that decides which pixels belong to which cell. A model that was trained with
// the rule must always be served with the same rule.
func TestCellsShareTheirBorders(t *testing.T) {
	columns := func(grid Grid, width int) (cells []string) {
		p := &plane{width: width, height: 1}
		for x := range width {
			p.pixels = append(p.pixels, uint16(x))
		}
		for position := 1; position <= grid.Cells(); position++ {
			cell := grid.cut(p, position)
			cells = append(cells, fmt.Sprintf("%d-%d", cell.pixels[0], cell.pixels[len(cell.pixels)-1]))
		}
		return cells
	}
	for name, c := range map[string]struct {
		grid  Grid
		width int
		want  []string
	}{
		"columns that divide the width":        {Grid{Rows: 1, Columns: 3}, 6, []string{"0-1", "2-3", "4-5"}},
		"columns that do not divide the width": {Grid{Rows: 1, Columns: 3}, 8, []string{"0-1", "2-4", "5-7"}},
		"one pixel per column":                 {Grid{Rows: 1, Columns: 3}, 3, []string{"0-0", "1-1", "2-2"}},
		"margins belong to no column":          {Grid{1, 2, Margin{Left: 3, Right: 1}}, 9, []string{"3-4", "5-7"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, columns(c.grid, c.width)); diff != "" {
				t.Error(diff)
			}
		})
	}
	// Rows follow the same rule. Position 4 is the second cell of the second row.
	p := &plane{width: 2, height: 3, wide: true, pixels: []uint16{0, 1, 10, 11, 20, 21}}
	want := &plane{width: 1, height: 2, wide: true, pixels: []uint16{11, 21}}
	if diff := cmp.Diff(want, Grid{Rows: 2, Columns: 2}.cut(p, 4), cmp.AllowUnexported(plane{})); diff != "" {
		t.Error(diff)
	}
}

// gridSet has goodSet's six samples in three packages, each on one image per channel with a grid of 1 x 2
// cells and margins.
func gridSet() files {
	f := files{
		"dataset.yaml": []byte("name: erasers\nchannels: [AM, GRAY]\n" +
			"grid: {rows: 1, columns: 2, margin: {left: 3, top: 1, right: 2}}\n"),
		"labels.csv": []byte(sixSamples),
	}
	for p := range 3 {
		for c, channel := range []string{"AM", "GRAY"} {
			f[fmt.Sprintf("images/%s/p%d.png", channel, p+1)] = encodePNG(greys(3+8+2, 1+4, func(x, y int) uint8 {
				if x < 3 || x >= 11 || y < 1 {
					return 255
				}
				i, x, y := 2*p+1+(x-3)/4, (x-3)%4, y-1
				return uint8(100*c + 10*i + 2*x + y)
			}))
		}
	}
	return f
}

func TestBothLayoutsGiveTheSamePixels(t *testing.T) {
	bySample, err := Load(context.Background(), goodSet().write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	byPackage, err := Load(context.Background(), gridSet().write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4, 3, 7} {
		want, err := bySample.Pack(context.Background(), size, nil)
		if err != nil {
			t.Fatal(err)
		}
		packages := 0
		got, err := byPackage.Pack(context.Background(), size, func(done, total int) { packages = total })
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("at size %d the two layouts differ", size)
		}
		if packages != 3 {
			t.Errorf("the images of %d packages were decoded, want 3", packages)
		}
		some, err := byPackage.Images(context.Background(), []int{5, 0}, size)
		n := bySample.imageBytes(size)
		if err != nil || !bytes.Equal(some, append(bytes.Clone(want[5*n:]), want[:n]...)) {
			t.Errorf("Images differs from Pack's parts (%v)", err)
		}
	}
}

func TestGridProblemsAreFoundAtOnce(t *testing.T) {
	columns := func(x, y int) uint8 { return uint8(x) }
	rows := func(x, y int) uint8 { return uint8(y) }
	for name, c := range map[string]struct {
		change func(f files)
		want   []string
	}{
		"positions outside the grid": {func(f files) {
			f["labels.csv"] = []byte("id,label,package,position\n" +
				"e1,normal,p1,0\ne2,defect,p1,3\n" +
				"e3,normal,p2,\ne4,defect,p2,2\n" +
				"e5,normal,p3,1\ne6,defect,p3,2\n")
		}, []string{
			"labels.csv:2: sample e1: position 0 is outside the grid: its 1 x 2 cells have positions 1 to 2",
			"labels.csv:3: sample e2: position 3 is outside the grid: its 1 x 2 cells have positions 1 to 2",
			"labels.csv:4: sample e3: position 0 is outside the grid: its 1 x 2 cells have positions 1 to 2",
		}},
		"two samples in one cell, and an unknown label": {func(f files) {
			changed := strings.NewReplacer("p2,2", "p2,1", "e5,normal", "e5,ok")
			f["labels.csv"] = []byte(changed.Replace(sixSamples))
		}, []string{
			"labels.csv:5: sample e4: position 1 of package p2 is already taken by sample e3 (line 4)",
			`labels.csv:6: sample e5: label "ok" is neither normal nor defect`,
		}},
		"no packages": {func(f files) {
			f["labels.csv"] = []byte("id,label,package,position\ne1,normal,,1\ne2,defect,,2\n")
		}, []string{
			`labels.csv:2: no sample names a package, ` +
				`but dataset.yaml needs it to find the images (files "images/{channel}/{package}.png")`,
		}},
		"a missing image is one problem, at its package's first line": {func(f files) {
			delete(f, "images/GRAY/p2.png")
		}, []string{"labels.csv:4: package p2: images/GRAY/p2.png is missing"}},
		"images of another size": {func(f files) {
			f["images/AM/p2.png"] = encodePNG(greys(6, 5, columns))
			f["images/AM/p3.png"] = encodePNG(greys(26, 10, columns))
			f["images/GRAY/p3.png"] = encodePNG(greys(26, 10, rows))
		}, []string{
			"labels.csv:4: package p2: images/AM/p2.png is 6 x 5 pixels; " +
				"the margins leave 1 x 4, too few for 2 columns and 1 rows",
			"labels.csv:6: package p3 is 26 x 10 pixels, but most packages are 13 x 5; all must have the same size",
		}},
		"channels of unequal size": {func(f files) {
			f["images/GRAY/p1.png"] = encodePNG(greys(12, 5, columns))
		}, []string{"labels.csv:2: package p1: images/GRAY/p1.png is 12 x 5 pixels, but channel AM is 13 x 5"}},
		"a copied image": {func(f files) {
			f["images/AM/p3.png"] = f["images/AM/p1.png"]
		}, []string{
			"labels.csv:6: package p3: the image of AM is byte for byte the same as that of package p1 (line 2)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := gridSet()
			c.change(f)
			dir := f.write(t)
			result, err := Check(context.Background(), dir, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, problemTexts(dir, &ProblemsError{result.Problems})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckOfAGridCountsImageFiles(t *testing.T) {
	result, err := Check(context.Background(), gridSet().write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Problems) > 0 || result.Samples != 6 || result.Grid.Cells() != 2 {
		t.Errorf("got %+v", result)
	}
	if diff := cmp.Diff([]SizeCount{{13, 5, 8, 6}}, result.Sizes); diff != "" {
		t.Error(diff)
	}
}

// A package's samples share their files, but a correction is for one of the samples.
func TestSampleDigestCoversTheCell(t *testing.T) {
	f := gridSet()
	digests := digestsOf(t, f.write(t))
	if digests["e1"] == digests["e2"] {
		t.Error("two cells of one image have the same digest")
	}
	f["c.csv"] = []byte(correctionHead + "e1," + digests["e1"] + ",normal,exclude,dust,ada,2026-11-20\n")
	dir := f.write(t)
	s, err := Load(context.Background(), dir, dir+"/c.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	if pixels, err := s.Pack(context.Background(), 2, nil); err != nil || len(pixels) != 5*2*2*2 {
		t.Errorf("%d bytes, %v", len(pixels), err)
	}

	swapped := gridSet()
	swapped["c.csv"] = f["c.csv"]
	swappedLabels := strings.NewReplacer("e1,normal,p1,1", "e1,normal,p1,2", "e2,defect,p1,2", "e2,defect,p1,1")
	swapped["labels.csv"] = []byte(swappedLabels.Replace(sixSamples))
	dir = swapped.write(t)
	_, err = Load(context.Background(), dir, dir+"/c.csv", nil)
	want := "c.csv:2: sample e1: the correction is for images with digest " + shortDigest(digests["e1"])
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	other, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if other.Digests.Data == s.Digests.Data {
		t.Error("the data digest does not cover the samples' cells")
	}
}

func TestPackagesMayBeFoldersWithoutAGrid(t *testing.T) {
	f := files{
		"dataset.yaml": []byte("name: erasers\nchannels: [AM, GRAY]\nfiles: '{package}/{channel}/{id}.png'\n"),
		"labels.csv":   []byte(sixSamples),
	}
	for name, content := range goodSet() {
		if id, isImage := strings.CutSuffix(name, ".png"); isImage {
			parts := strings.Split(id, "/") // images, channel, id
			f[fmt.Sprintf("p%d/%s/%s.png", (int(parts[2][1]-'0')+1)/2, parts[1], parts[2])] = content
		}
	}
	s, err := Load(context.Background(), f.write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if image, err := s.Image(4, 4); err != nil || image[0] != 50 {
		t.Errorf("%v, %v", image, err)
	}
}
