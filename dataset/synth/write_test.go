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

// small is a set of every kind of defect that is made in a blink.
var small = Spec{Samples: 20, Prevalence: 0.4, MinSeverity: 0.3, LabelNoise: 0.1, Seed: 7, Size: 32, PackageSize: 6, Channels: []string{"GRAY", "NORMAL"}}

func written(t *testing.T, spec Spec) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "set")
	if _, err := Write(context.Background(), spec, dir, false, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// content is every file below dir.
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
		t.Error("again, on one processor:", diff)
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
		t.Error("leaving a channel out changed another")
	}
}

// TestPinnedPixels: measurements in the docs name a seed, so the same seed must
// go on making the same pictures. Pixels and tables are pinned, not the files'
// bytes: another Go release may compress otherwise.
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

func TestASetIsWhatItWasAskedToBe(t *testing.T) {
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
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// TestAGridChangesNoEraser: the same samples as photographs of whole packages,
// the last of which is not full.
func TestAGridChangesNoEraser(t *testing.T) {
	whole := small
	whole.Grid = &dataset.Grid{Rows: 2, Columns: 3}
	dir := written(t, whole)
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
			t.Errorf("at %d pixels the layouts differ", size)
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

func TestWhatIsThereIsNotOverwritten(t *testing.T) {
	ctx := context.Background()
	one := small
	one.Samples = 2
	for name, c := range map[string]struct {
		there   string // a file in the target
		replace bool
		want    error // nil: it is made
	}{
		"an empty directory is filled":                    {"", false, nil},
		"a file keeps a directory from being replaced":    {"notes.txt", false, ErrOccupied},
		"even when asked to, if it was not made here":     {"notes.txt", true, ErrOccupied},
		"a set that was made here is kept unless asked":   {TruthFile, false, ErrOccupied},
		"a set that was made here is replaced when asked": {TruthFile, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.there != "" {
				if err := os.WriteFile(filepath.Join(dir, c.there), []byte("mine"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Write(ctx, one, dir, c.replace, nil)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			text, _ := os.ReadFile(filepath.Join(dir, c.there))
			if kept := string(text) == "mine"; c.there != "" && kept != (c.want != nil) {
				t.Errorf("%s kept: %v", c.there, kept)
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

// mustBeAlone: no partial or old directory lies beside dir.
func mustBeAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(dir) {
			t.Errorf("%s lies beside the set", entry.Name())
		}
	}
}

func TestSpecRefusesAGrid(t *testing.T) {
	for name, c := range map[string]struct {
		grid dataset.Grid
		want string
	}{
		"without columns":                  {dataset.Grid{Rows: 3}, "grid 3 x 0 is not between 1 x 1 and 64 cells, at most 32 a side"},
		"with more cells than can be read": {dataset.Grid{Rows: 9, Columns: 8}, "grid 9 x 8 is not between 1 x 1 and 64 cells, at most 32 a side"},
		"that is too small for a package":  {dataset.Grid{Rows: 1, Columns: 5}, "package-size 6 does not fit into the 5 cells of a 1 x 5 grid"},
		"with margins":                     {dataset.Grid{Rows: 2, Columns: 3, Margin: dataset.Margin{Top: 1}}, "grid: margins cannot be made"},
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

func TestSpecSaysEverythingThatIsWrong(t *testing.T) {
	spec := Spec{Samples: 0, Prevalence: 1.5, MinSeverity: -1, Size: 8, Channels: []string{"GRAY", "BLUE", "GRAY"}}
	want := strings.Join([]string{
		"prevalence 1.5 is not between 0 and 1",
		"min-severity -1 is not between 0 and 1",
		"samples 0 is not between 1 and 1000000",
		"size 8 is not between 32 and 1024 pixels",
		"package-size 0 is below 1",
		`channels: there is no light "BLUE"; there are AM, GRAY, G, R, W, NORMAL`,
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
