// Package plumbline holds only tests of who needs whom: who may import whom (design: "Who may import whom"), and
// whether the images hold what their programs import. A rule that is broken fails with its reason, since the reason is
// what decides whether the rule or the change is wrong.
package plumbline

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "plumbline.dev/plumbline/"
	graft  = "github.com/wamuir/graft"
	nats   = "github.com/nats-io/"
)

// reach is about everything that a package pulls in, directly or not. A name that ends in /... means the tree below it.
var reach = []struct {
	of, never []string
	why       string
}{
	{
		of: []string{"trainer/..."}, never: []string{"k8s.io/...", "sigs.k8s.io/...", module + "api/...", module + "operator/..."},
		why: "a trial runs where there is no Kubernetes: it is told everything by wire.Trial and answers through wire.Report",
	},
	{
		of: []string{"operator/...", "cli/..."}, never: []string{module + "trainer/...", graft + "/..."},
		why: "operator and plumb build with CGO_ENABLED=0 and run where there is no libtensorflow",
	},
	{
		of: []string{"dataset/..."}, never: []string{graft + "/...", nats + "...", "k8s.io/...", module + "api/...", module + "operator/...", module + "trainer/..."},
		why: "dataset serves the trainer and plumb alike, so it may drag neither's world into the other",
	},
	{
		of: []string{"trainer/loop", "trainer/report"}, never: []string{graft + "/...", nats + "..."},
		why: "the loop and the report are tested in milliseconds, without TensorFlow and without a message server",
	},
	{
		of: []string{"score"}, never: []string{graft + "/...", nats + "...", "k8s.io/...", module + "api/...", module + "operator/...", module + "trainer/...", module + "cli/..."},
		why: "the trainer scores epochs and the operator compares trials with the same functions, so they may know neither's world",
	},
	{
		of: []string{"failpoint"}, never: []string{module + "...", "k8s.io/...", nats + "...", graft + "/..."},
		why: "failpoint stands around the writes of every program, so it may bring nothing with it",
	},
	{
		of: []string{"test/drill/judge"}, never: []string{module + "..."},
		why: "who judges what the operator and the trainer did shares no code with them: a mistake in that would be made twice and not seen",
	},
	{
		of: []string{"trainer/safetensors", "trainer/pretrained"}, never: []string{graft + "/...", nats + "..."},
		why: "what reads files of strangers is fuzzed without TensorFlow, and the converter of pretrained weights builds with CGO_ENABLED=0",
	},
	{
		of: []string{"trainer/resnet"}, never: []string{nats + "..."},
		why: "resnet draws a graph and does nothing else",
	},
}

// direct is about the imports of a package or of one file; the standard library is always allowed, but for what is
// named as not.
var direct = []struct {
	of, only, not []string
	noClock       bool
	why           string
}{
	{
		of:  []string{"wire"},
		why: "wire is what two sides agree on: any import of its own would be forced on both",
	},
	{
		of:   []string{"test/drill/record.go"},
		only: []string{module + "test/drill/judge", nats + "...", "k8s.io/...", "sigs.k8s.io/..."},
		why:  "what is judged is written down as stream, API server and disk have it, by nothing that the operator or the trainer reads or writes them with",
	},
	{
		of: []string{
			"operator/plan", "operator/promotion", "operator/resolve", "operator/attempt", "operator/decision", "operator/plaintext",
			"operator/selection", "operator/ingest/ledger.go", "podspec",
		},
		// One another too, since all obey this rule.
		only: []string{
			module + "operator/plan", module + "operator/resolve", module + "operator/attempt", module + "operator/decision",
			module + "operator/plaintext", module + "operator/selection", module + "podspec",
			module + "api/v1alpha1", module + "wire", module + "score",
			"k8s.io/api/...", "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/apimachinery/pkg/api/resource",
			"k8s.io/apimachinery/pkg/api/meta", "k8s.io/utils/ptr",
		},
		not:     []string{"context", "log/...", "os/...", "net/...", "io/...", "syscall", "math/rand/...", "crypto/rand", "testing"},
		noClock: true,
		why:     "decisions are pure: no client, context, clock, logger or chance, so that a restarted operator decides the same; time comes in as an argument",
	},
}

// importers are the only packages that may import a thing themselves.
var importers = []struct {
	of    string
	where []string
	why   string
}{
	{
		of: graft + "/...", where: []string{"trainer/resnet", "trainer/session", "trainer/export", "trainer/main.go"},
		why: "TensorFlow is run in one place and drawn in two; everything else must work without it",
	},
	{
		of: nats + "nats.go/...", where: []string{"trainer/publish", "operator/ingest", "operator/credential", "test/..."},
		why: "reports leave through trainer/publish and arrive through operator/ingest, which own their durability; operator/credential says who signs in",
	},
}

func TestWhoMayImportWhom(t *testing.T) {
	packages := list(t)

	for _, rule := range reach {
		for _, p := range pick(t, packages, rule.of) {
			for _, dep := range p.Deps {
				if matches(dep, rule.never) {
					t.Errorf("%s reaches %s, but %s", p.name, dep, rule.why)
				}
			}
		}
	}

	for _, rule := range direct {
		for _, f := range files(t, packages, rule.of) {
			for _, path := range f.imports {
				allowed := standard(path) && !matches(path, rule.not) || matches(path, rule.only)
				if !allowed {
					t.Errorf("%s imports %s, but %s", f.name, path, rule.why)
				}
			}
			if call := clockCall(f.syntax); rule.noClock && call != "" {
				t.Errorf("%s calls %s, but %s", f.name, call, rule.why)
			}
		}
	}

	for _, rule := range importers {
		for _, f := range files(t, packages, []string{"..."}) {
			if matches(f.name, rule.where) || matches(filepath.Dir(f.name), rule.where) {
				continue
			}
			for _, path := range f.imports {
				if matches(path, []string{rule.of}) {
					t.Errorf("%s imports %s, but %s", f.name, path, rule.why)
				}
			}
		}
	}
}

// images are the Dockerfiles, each with the program that it builds.
var images = []struct{ file, program string }{
	{"operator/Dockerfile", "operator"},
	{"trainer/Dockerfile", "trainer"},
	{"trainer/Dockerfile.gpu", "trainer"},
}

// TestImagesHoldWhatTheyBuild: nobody here has a container engine, so an image that no longer builds would be found by
// its first user. One folder too many is wrong as well: each change in it would build the image anew.
func TestImagesHoldWhatTheyBuild(t *testing.T) {
	packages := list(t)
	for _, image := range images {
		text, err := os.ReadFile(image.file)
		if err != nil {
			t.Fatal(err)
		}
		var copied []string
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) == 3 && fields[0] == "COPY" && fields[1] == fields[2] && !strings.HasPrefix(fields[1], "hack/") { // hack/ fetches, and has no Go that is built
				copied = append(copied, fields[1])
			}
		}
		slices.Sort(copied)
		if needed := folders(pick(t, packages, []string{image.program})); !slices.Equal(copied, needed) {
			t.Errorf("%s copies %v, but `go list -deps ./%s` needs %v: make its COPY lines these", image.file, copied, image.program, needed)
		}
	}
}

// folders are those at the module's root that hold the packages and what they reach.
func folders(packages []pkg) []string {
	var all []string
	for _, p := range packages {
		for _, path := range append(p.Deps, p.ImportPath) {
			if name, ours := strings.CutPrefix(path, module); ours {
				folder, _, _ := strings.Cut(name, "/")
				all = append(all, folder)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pkg is what `go list` says of a package of this module; name is its path within the module.
type pkg struct {
	ImportPath, Dir string
	GoFiles         []string
	CgoFiles        []string
	Deps            []string

	name string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,CgoFiles,Deps", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		p.name = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
}

// pick finds the packages that a rule is about; a rule about nothing would hold for ever.
func pick(t *testing.T, packages []pkg, patterns []string) []pkg {
	t.Helper()
	var picked []pkg
	for _, pattern := range patterns {
		before := len(picked)
		for _, p := range packages {
			if matches(p.name, []string{pattern}) {
				picked = append(picked, p)
			}
		}
		if len(picked) == before {
			t.Errorf("a rule is about %s, which does not exist: was it renamed?", pattern)
		}
	}
	return picked
}

type file struct {
	name    string // within the module
	imports []string
	syntax  *ast.File
}

// files parses the files, tests apart, of the packages named, or the single file named.
func files(t *testing.T, packages []pkg, patterns []string) []file {
	t.Helper()
	var all []file
	for _, pattern := range patterns {
		dir, only := pattern, ""
		if strings.HasSuffix(pattern, ".go") {
			dir, only = filepath.Split(pattern)
			dir = filepath.Clean(dir)
		}
		before := len(all)
		for _, p := range pick(t, packages, []string{dir}) {
			for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
				if only == "" || only == name {
					all = append(all, parse(t, p, name))
				}
			}
		}
		if only != "" && len(all) == before {
			t.Errorf("a rule is about %s, which does not exist: was it renamed?", pattern)
		}
	}
	return all
}

func parse(t *testing.T, p pkg, name string) file {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := file{name: filepath.Join(p.name, name), syntax: syntax}
	for _, i := range syntax.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.imports = append(f.imports, path)
	}
	return f
}

// clockCall names the first use of the machine's clock, or is empty.
func clockCall(f *ast.File) (call string) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && call == "" {
			asks := slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}, s.Sel.Name)
			if asks && (x.Name == "time" || x.Name == "metav1") {
				call = fmt.Sprintf("%s.%s", x.Name, s.Sel.Name)
			}
		}
		return true
	})
	return call
}

// standard says whether a path is of the standard library: its first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// matches says whether name is one of the patterns, or below one that ends in /...; "..." matches everything.
func matches(name string, patterns []string) bool {
	for _, p := range patterns {
		tree, isTree := strings.CutSuffix(p, "...")
		tree = strings.TrimSuffix(tree, "/")
		if name == p || isTree && (tree == "" || name == tree || strings.HasPrefix(name, tree+"/")) {
			return true
		}
	}
	return false
}
