package dataset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/golden"
	"plumbline.dev/plumbline/cli/root"
	"plumbline.dev/plumbline/dataset"
)

// plumbDataset runs one `plumb dataset` command line as main would.
func plumbDataset(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	p := &clustertest.Program{Tree: func(f *factory.Factory) *root.Plumb { return root.New(f, "", NewCmdDataset(f)) }}
	code = p.Run(t, append([]string{"dataset"}, args...)...)
	return code, p.Out.String(), p.Err.String()
}

// synthetic makes a data set of twelve samples in two packages and returns its directory.
func synthetic(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "set")
	code, out, errOut := plumbDataset(t, "synth", "--out", dir, "--samples", "12", "--prevalence", "0.25",
		"--size", "32", "--package-size", "6", "--label-noise", "0", "--channels", "GRAY,W")
	if code != exitcode.OK || errOut != "" {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	want := dir + ": 12 samples in 2 packages, channels GRAY, W\n" +
		"Samples with a defect: 3 (25.0 %). Wrong labels: 0\n"
	if !strings.HasPrefix(out, want) {
		t.Fatalf("printed %q, want %q first", out, want)
	}
	return dir
}

func TestDatasetCheck(t *testing.T) {
	dir := synthetic(t)
	code, out, errOut := plumbDataset(t, "check", dir)
	if code != exitcode.OK || errOut != "" {
		t.Errorf("exit %d: %s", code, errOut)
	}
	golden.Check(t, "check", out)
}

func TestDatasetOfWholePackages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	code, out, errOut := plumbDataset(t, "synth", "--out", dir, "--samples", "10", "--prevalence", "0.3",
		"--size", "32", "--label-noise", "0", "--channels", "GRAY", "--grid", "2x3")
	if code != exitcode.OK || !strings.HasPrefix(out, dir+": 10 samples in 2 packages, channels GRAY\n") {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	code, out, errOut = plumbDataset(t, "check", dir)
	if code != exitcode.OK {
		t.Errorf("exit %d: %s", code, errOut)
	}
	golden.Check(t, "check-grid", out)
}

func TestDatasetCheckListsProblemsAndFails(t *testing.T) {
	dir := synthetic(t)
	if err := os.WriteFile(filepath.Join(dir, "images/W/e0002.png"), []byte("\x1b[31mno image"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "images/GRAY/e0003.png")); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := plumbDataset(t, "check", dir)
	if code != exitcode.Failed || errOut != "error: data set "+dir+" has 2 problems, listed above\n" {
		t.Errorf("exit %d: %s", code, errOut)
	}
	_, problems, _ := strings.Cut(out, "\nProblems\n")
	want := "labels.csv:3: sample e0002: images/W/e0002.png is not a readable PNG, JPEG or TIFF file: " +
		"image: unknown format\n" +
		"labels.csv:4: sample e0003: images/GRAY/e0003.png is missing\n"
	if diff := cmp.Diff(want, strings.ReplaceAll(problems, dir+"/", "")); diff != "" {
		t.Error(diff)
	}

	code, out, _ = plumbDataset(t, "check", dir, "-o", "json")
	var result dataset.CheckResult
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != exitcode.Failed || len(result.Problems) != 2 || result.Problems[1].Line != 4 {
		t.Errorf("exit %d, problems %v", code, result.Problems)
	}
}

func TestDatasetRefusals(t *testing.T) {
	dir := synthetic(t)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no directory": {[]string{"check"}, exitcode.Usage, "DIR is missing"},
		"a directory that does not exist": {
			[]string{"check", filepath.Join(dir, "nowhere")},
			exitcode.Failed,
			"nowhere has 1 problem, listed above",
		},
		"an unknown format": {
			[]string{"check", dir, "-o", "xml"},
			exitcode.Usage,
			`"xml" is not one of json`,
		},
		"no --out": {[]string{"synth"}, exitcode.Usage, "--out is missing"},
		"a share above 1": {
			[]string{"synth", "--out", dir, "--prevalence", "12"},
			exitcode.Usage,
			"prevalence 12 is not between 0 and 1",
		},
		"a grid of the wrong form": {
			[]string{"synth", "--out", dir, "--grid", "15"},
			exitcode.Usage,
			`--grid "15" is not of the form ROWSxCOLUMNS, such as 3x5`,
		},
		"a package larger than its grid": {
			[]string{"synth", "--out", dir, "--grid", "2x3", "--package-size", "7"},
			exitcode.Usage,
			"package-size 7 does not fit into the 6 cells of a 2 x 3 grid",
		},
		"a directory that is not empty": {
			[]string{"synth", "--out", dir},
			exitcode.Failed,
			"is not empty\nName another directory. " +
				"Or, if it holds a set that plumb dataset synth made, replace that set with --force",
		},
		"an unknown verb": {
			[]string{"chekc", dir},
			exitcode.Usage,
			`unknown command "chekc" for "plumb dataset"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errOut := plumbDataset(t, c.args...)
			if code != c.code || !strings.Contains(errOut, c.want) {
				t.Errorf("exit %d, want %d: %q, want %q in it", code, c.code, errOut, c.want)
			}
		})
	}
}
