package synth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/dataset"
)

// small is the spec of a set with every kind of defect that takes little time to make.
var small = Spec{
	Samples:     20,
	Prevalence:  0.4,
	MinSeverity: 0.3,
	LabelNoise:  0.1,
	Seed:        7,
	Size:        32,
	PackageSize: 6,
	Channels:    []string{"GRAY", "NORMAL"},
}

func written(t *testing.T, spec Spec) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "set")
	if _, err := Write(context.Background(), spec, dir, false, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// content returns the content of every file below dir, by its path relative to dir.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheSameSpecGivesTheSameBytes(t *testing.T) {
	first := content(t, written(t, small))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if diff := cmp.Diff(first, content(t, written(t, small))); diff != "" {
		t.Error("the same set made on one processor:", diff)
	}
	other := small
	other.Seed = 8
	again := content(t, written(t, other))
	for _, name := range []string{"images/GRAY/e0001.png", "labels.csv", TruthFile} {
		if first[name] == again[name] {
			t.Errorf("seed 8 made the same %s as seed 7", name)
		}
	}
	fewer := small
	fewer.Channels = []string{"NORMAL"}
	if one := content(t, written(t, fewer)); one["images/NORMAL/e0003.png"] != first["images/NORMAL/e0003.png"] {
		t.Error("a set with fewer channels has another image in a channel of both")
	}
}

// Measurements in the docs name a seed, so the same seed must always make the same images. The test pins
// pixels and tables, and not the bytes of image files: another Go release may compress them differently.
func TestPinnedPixels(t *testing.T) {
	dir := written(t, small)
	hash := sha256.New()
	for _, name := range []string{"labels.csv", TruthFile, "dataset.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(text)
	}
	for i := range small.Samples {
		for _, channel := range small.Channels {
			hash.Write(readGray(t, filepath.Join(dir, "images", channel, fmt.Sprintf("e%04d.png", i+1))).Pix)
		}
	}
	if got, want := hex.EncodeToString(hash.Sum(nil)[:8]), "d5b28290fc27f016"; got != want {
		t.Errorf("the small set is %s, want %s", got, want)
	}
}

func readGray(t *testing.T, path string) *image.Gray {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return picture.(*image.Gray)
}

func TestTheSetFollowsItsSpec(t *testing.T) {
	dir := written(t, small)
	report, err := dataset.Check(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Error(report.Problems)
	}
	sizes := []dataset.SizeCount{{Width: 32, Height: 32, Bits: 8, Files: 40}}
	if diff := cmp.Diff(sizes, report.Sizes); diff != "" {
		t.Error(diff)
	}
	if len(report.Packages) != 4 { // 6, 6, 6 and 2
		t.Errorf("packages: %v", report.Packages)
	}

	s, err := dataset.Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := table(t, filepath.Join(dir, TruthFile))
	defects, flipped, seen := 0, 0, map[string]bool{}
	for i, row := range rows {
		if row["id"] != s.Samples[i].ID {
			t.Fatalf("row %d: truth.csv has %s, labels.csv %s", i, row["id"], s.Samples[i].ID)
		}
		if row["label"] != s.Samples[i].Label.String() {
			flipped++
		}
		severity, _ := strconv.ParseFloat(row["severity"], 64)
		number := func(name string) int { n, _ := strconv.Atoi(row[name]); return n }
		x, y, w, h := number("x"), number("y"), number("w"), number("h")
		if row["label"] == "normal" {
			if row["kind"] != "" || severity != 0 || w != 0 || h != 0 {
				t.Errorf("a normal sample with a defect: %v", row)
			}
			continue
		}
		defects++
		seen[row["kind"]] = true
		if severity < 0.3 || severity > 1 || w < 1 || h < 1 || x < 0 || y < 0 || x+w > 32 || y+h > 32 {
			t.Errorf("defect %v", row)
		}
	}
	if defects != 8 || flipped != 2 || len(seen) != len(kinds) {
		t.Errorf("%d defects of kinds %v, %d flipped; want 8 of all kinds, 2", defects, seen, flipped)
	}
}

func table(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, fields := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = fields[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// The same samples with one image per package have the same pixels. The last package is not full.
func TestAGridChangesNoSample(t *testing.T) {
	byPackage := small
	byPackage.Grid = &dataset.Grid{Rows: 2, Columns: 3}
	dir := written(t, byPackage)
	single, err := dataset.Load(context.Background(), written(t, small), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dataset.Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(single.Samples, s.Samples); diff != "" {
		t.Error(diff)
	}
	for _, size := range []int{small.Size, 24, 48} {
		want, errWant := single.Pack(context.Background(), size, nil)
		got, errGot := s.Pack(context.Background(), size, nil)
		if err := errors.Join(errWant, errGot); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("at size %d the two layouts differ", size)
		}
	}
	report, err := dataset.Check(context.Background(), dir, "", nil)
	if err != nil || len(report.Problems) > 0 {
		t.Error(err, report.Problems)
	}
	sizes := []dataset.SizeCount{{Width: 96, Height: 64, Bits: 8, Files: 8}}
	if diff := cmp.Diff(sizes, report.Sizes); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyGeneratedSetsAreReplaced(t *testing.T) {
	ctx := context.Background()
	one := small
	one.Samples = 2
	for name, c := range map[string]struct {
		existing string // a file in the target; "" for an empty target
		replace  bool
		want     error // nil: the set is made
	}{
		"an empty directory":                       {"", false, nil},
		"a directory with other files":             {"notes.txt", false, ErrOccupied},
		"other files are kept in spite of replace": {"notes.txt", true, ErrOccupied},
		"a generated set is kept without replace":  {TruthFile, false, ErrOccupied},
		"a generated set is replaced with replace": {TruthFile, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.existing != "" {
				if err := os.WriteFile(filepath.Join(dir, c.existing), []byte("mine"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Write(ctx, one, dir, c.replace, nil)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			text, _ := os.ReadFile(filepath.Join(dir, c.existing))
			if kept := string(text) == "mine"; c.existing != "" && kept != (c.want != nil) {
				t.Errorf("%s was kept: %v", c.existing, kept)
			}
			mustBeAlone(t, dir)
		})
	}
}

func TestCancelledLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Write(ctx, small, dir, false, func(done, total int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// mustBeAlone fails the test when the parent of dir holds anything else, such as a partial or old set.
func mustBeAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(dir) {
			t.Errorf("%s was left beside the set", entry.Name())
		}
	}
}

func TestSpecRefusesAGrid(t *testing.T) {
	for name, c := range map[string]struct {
		grid dataset.Grid
		want string
	}{
		"without columns": {
			grid: dataset.Grid{Rows: 3},
			want: "grid 3 x 0 must have at least 1 row and 1 column, at most 32 of either, and at most 64 cells",
		},
		"with more cells than can be read": {
			grid: dataset.Grid{Rows: 9, Columns: 8},
			want: "grid 9 x 8 must have at least 1 row and 1 column, at most 32 of either, and at most 64 cells",
		},
		"that is too small for a package": {
			grid: dataset.Grid{Rows: 1, Columns: 5},
			want: "package-size 6 does not fit into the 5 cells of a 1 x 5 grid",
		},
		"with margins": {
			grid: dataset.Grid{Rows: 2, Columns: 3, Margin: dataset.Margin{Top: 1}},
			want: "grid: margins are not supported",
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := small
			spec.Grid = &c.grid
			if err := spec.Check(); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestSpecNamesEveryProblem(t *testing.T) {
	spec := Spec{Samples: 0, Prevalence: 1.5, MinSeverity: -1, Size: 8, Channels: []string{"GRAY", "BLUE", "GRAY"}}
	want := strings.Join([]string{
		"prevalence 1.5 is not between 0 and 1",
		"min-severity -1 is not between 0 and 1",
		"samples 0 is not between 1 and 1000000",
		"size 8 is not between 32 and 1024 pixels",
		"package-size 0 is below 1",
		`channels: unknown light "BLUE"; the lights are AM, GRAY, G, R, W, NORMAL`,
		"channels: GRAY is listed twice",
	}, "\n")
	err := spec.Check()
	if err == nil {
		t.Fatal("accepted")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
