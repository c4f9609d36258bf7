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

// elsewhere are the points that no fault arms, each with where it is struck.
var elsewhere = map[string]string{
	"publication.rename.before": "no drilled run is promoted: TestAPublicationKilledAtItsRename in trainer",
	"publication.rename.after":  "the same",
	"version.before":            "nor has it a ModelVersion: TestAnOperatorDiesAtEachStatusOfAVersion in operator/promotion, without a process",
	"version.after":             "the same",
}

// passed is where a program may be struck.
var passed = regexp.MustCompile(`failpoint\.(?:Here|Full)\("([^"]+)"\)`)

// Every point that a fault may arm is one that some program passes, and every one that is passed is armed, or said to be elsewhere.
func TestEveryPointIsPassedAndStruck(t *testing.T) {
	struck := slices.Concat(trainerPoints, operatorPoints, []string{fullPoint}, slices.Collect(maps.Keys(elsewhere)))
	var points []string
	for _, dir := range []string{"../../trainer", "../../operator"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range passed.FindAllSubmatch(b, -1) {
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
			t.Errorf("no program passes %s", p)
		}
	}
	for _, p := range points {
		if !slices.Contains(struck, p) {
			t.Errorf("nobody strikes at %s: let a fault arm it, or say here where it is struck", p)
		}
	}
}

// A mutant that no longer fits the source would be a fault that nobody injects.
func TestEveryMutantFitsTheSource(t *testing.T) {
	for _, m := range mutants {
		b, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), m.old); n != 1 {
			t.Errorf("%s: %s holds what is to be changed %d times", m.name, m.file, n)
		}
	}
}
