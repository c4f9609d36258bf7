package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// publicationTest and versionTest are the tests that strike at the failpoints which no drill arms, since no drilled run
// is promoted. versionTest does it without a process.
const (
	publicationTest = "TestAPublicationKilledAtItsRename in trainer"
	versionTest     = "TestAnOperatorIsKilledAtEachStatusOfAVersion in operator/publishing"
)

// struckByTests holds the failpoints that no drill arms, each with the test that strikes at it.
var struckByTests = map[string]string{
	"publication.rename.before": publicationTest,
	"publication.rename.after":  publicationTest,
	"version.before":            versionTest,
	"version.after":             versionTest,
}

// failpointCall matches a call in a program that passes a failpoint.
var failpointCall = regexp.MustCompile(`failpoint\.(?:Here|Full)\("([^"]+)"\)`)

// Some program must pass each failpoint that a fault arms. And a fault or a test must strike at each failpoint that a
// program passes.
func TestEveryFailpointIsPassedAndStruck(t *testing.T) {
	byTests := slices.Collect(maps.Keys(struckByTests))
	struck := slices.Concat(trainerPoints, operatorPoints, []string{fullPoint}, byTests)
	var points []string
	for _, dir := range []string{"../../trainer", "../../operator"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range failpointCall.FindAllSubmatch(b, -1) {
				points = append(points, string(m[1]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range struck {
		if !slices.Contains(points, p) {
			t.Errorf("no program passes the failpoint %s", p)
		}
	}
	for _, p := range points {
		if !slices.Contains(struck, p) {
			t.Errorf("nothing strikes at the failpoint %s: let a fault arm it, or name its test in struckByTests", p)
		}
	}
}

// A mutant can only be built if the text that it replaces is in the file, once.
func TestEveryMutantFitsTheSource(t *testing.T) {
	for _, m := range mutants {
		b, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), m.before); n != 1 {
			t.Errorf("%s: %s contains the text to replace %d times, want once", m.name, m.file, n)
		}
	}
}
