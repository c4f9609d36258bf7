// Package plumbline holds only tests of the module's structure: which package may import which, and whether the
// container images copy the folders that their programs import. A failing test prints the reason of the rule. Decide by
// the reason whether the rule or the change is wrong.
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

// reach has rules about everything that a package imports, directly or through other packages. A name that ends in /...
// means that package and all packages below it.
var reach = []struct {
	of, never []string
	why       string
}{
	{
		of:    []string{"trainer/..."},
		never: []string{"k8s.io/...", "sigs.k8s.io/...", module + "api/...", module + "operator/..."},
		why: "a trial also runs without Kubernetes: wire.Trial has everything that a trial needs, and the trial " +
			"answers with wire.Report",
	},
	{
		of:    []string{"operator/...", "cli/..."},
		never: []string{module + "trainer/...", graft + "/..."},
		why:   "operator and plumb build with CGO_ENABLED=0 and run without libtensorflow",
	},
	{
		of: []string{"cli/..."},
		never: []string{
			module + "operator/plan", module + "operator/publishing", module + "operator/attempt",
			module + "operator/ledger", module + "operator/ingest", module + "operator/controller",
		},
		why: "plumb makes no decision of the operator: the two share only podspec, operator/resolve and their imports",
	},
	{
		of: []string{
			"operator/publishing", "operator/resolve", "operator/attempt", "operator/decision", "operator/plaintext",
			"podspec",
		},
		never: []string{module + "operator/plan"},
		why:   "the planners of runs and of versions do not depend on each other, and both import what they share",
	},
	{
		of:    []string{"operator/ledger", "operator/ingest"},
		never: []string{module + "operator/plan"},
		why:   "ingest fills ledgers and plan decides from them: the two share only the types of package ledger",
	},
	{
		of: []string{"dataset/..."},
		never: []string{
			graft + "/...", nats + "...", "k8s.io/...",
			module + "api/...", module + "operator/...", module + "trainer/...",
		},
		why: "trainer and plumb import dataset, which must not bring TensorFlow to plumb or Kubernetes to the trainer",
	},
	{
		of:    []string{"trainer/loop", "trainer/page"},
		never: []string{graft + "/...", nats + "..."},
		why:   "the tests of loop and page take milliseconds, without TensorFlow and without a NATS server",
	},
	{
		of: []string{"score"},
		never: []string{
			graft + "/...", nats + "...", "k8s.io/...",
			module + "api/...", module + "operator/...", module + "trainer/...", module + "cli/...",
		},
		why: "the trainer scores epochs and the operator compares trials with the same functions, so score must not " +
			"import what only one of them needs",
	},
	{
		of:    []string{"failpoint"},
		never: []string{module + "...", "k8s.io/...", nats + "...", graft + "/..."},
		why:   "every program calls failpoint around its writes, so failpoint must not bring another package with it",
	},
	{
		of:    []string{"test/drill/judge"},
		never: []string{module + "..."},
		why: "the judge of what operator and trainer did shares no code with them: a bug in shared code would affect " +
			"both sides and not be found",
	},
	{
		of:    []string{"trainer/safetensors", "trainer/pretrained"},
		never: []string{graft + "/...", nats + "..."},
		why: "the readers of files from strangers are fuzzed without TensorFlow, and the converter of pretrained " +
			"weights builds with CGO_ENABLED=0",
	},
	{
		of:    []string{"trainer/resnet"},
		never: []string{nats + "..."},
		why:   "resnet builds a graph and does nothing else",
	},
}

// pure are the packages that only decide. They may import one another.
var pure = []string{
	"operator/plan", "operator/publishing", "operator/resolve", "operator/attempt", "operator/decision",
	"operator/plaintext", "operator/selection", "operator/ledger", "podspec",
}

// direct has rules about the direct imports of a package or of one file. The standard library is allowed, except the
// packages in not. With noClock the code must not read the machine's clock.
var direct = []struct {
	of, only, not []string
	noClock       bool
	why           string
}{
	{
		of:  []string{"wire"},
		why: "wire is what operator and trainer agree on: both would import everything that wire imports",
	},
	{
		of:   []string{"test/drill/record.go"},
		only: []string{module + "test/drill/judge", nats + "...", "k8s.io/...", "sigs.k8s.io/..."},
		why: "the record that the judge reads is made from the stream, the API server and the disk, with no code by " +
			"which the operator or the trainer reads or writes them",
	},
	{
		of: pure,
		only: []string{
			module + "operator/plan", module + "operator/resolve", module + "operator/attempt",
			module + "operator/decision", module + "operator/plaintext", module + "operator/selection",
			module + "operator/ledger", module + "podspec", module + "api/v1alpha1", module + "wire", module + "score",
			"k8s.io/api/...", "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/apimachinery/pkg/api/meta",
			"k8s.io/apimachinery/pkg/api/resource", "k8s.io/utils/ptr",
		},
		not: []string{
			"context", "log/...", "os/...", "net/...", "io/...", "syscall", "math/rand/...", "crypto/rand", "testing",
		},
		noClock: true,
		why: "decisions are pure: no client, context, clock, logger or random number, so that a restarted operator " +
			"decides the same; the time is an argument",
	},
	{
		of: []string{
			"cli/cmd/best", "cli/cmd/list", "cli/cmd/models", "cli/cmd/prune", "cli/cmd/retry", "cli/cmd/stop",
			"cli/cmd/suspend", "cli/cmd/watch/view.go", "cli/cmd/watch/changes.go", "cli/cost",
			"cli/runstate", "cli/table",
		},
		only:    []string{"..."},
		noClock: true,
		why:     "plumb takes the time from its factory, so that a test can set the time",
	},
}

// importers has rules about packages that only the named packages and files may import directly.
var importers = []struct {
	of    string   // the imported package
	where []string // who may import it; none: only tests
	why   string
}{
	{
		of: module + "cli/cmd/...", where: []string{"cli/main.go"},
		why: "main alone imports the packages of the verbs, so that no verb depends on another",
	},
	{
		of: module + "cli/clustertest", where: nil,
		why: "the fake cluster is for tests",
	},
	{
		of:    graft + "/...",
		where: []string{"trainer/resnet", "trainer/session", "trainer/export", "trainer/main.go"},
		why:   "TensorFlow runs in session and export, and resnet builds its graphs; other packages work without it",
	},
	{
		of:    nats + "nats.go/...",
		where: []string{"trainer/outbox", "operator/ingest", "operator/credential", "test/..."},
		why: "trainer/outbox sends reports and operator/ingest receives them, and they make sure that none is lost; " +
			"operator/credential decides who may sign in",
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

// Our tests have no container engine, so only a user would notice an image that no longer builds. A folder too many is
// wrong as well: each change in that folder would make the image build again.
func TestImagesCopyWhatTheyBuild(t *testing.T) {
	packages := list(t)
	for _, image := range images {
		text, err := os.ReadFile(image.file)
		if err != nil {
			t.Fatal(err)
		}
		var copied []string
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			copies := len(fields) == 3 && fields[0] == "COPY" && fields[1] == fields[2]
			// hack/ has scripts that download libraries, and no Go code of a program.
			if copies && !strings.HasPrefix(fields[1], "hack/") {
				copied = append(copied, fields[1])
			}
		}
		slices.Sort(copied)
		if needed := folders(pick(t, packages, []string{image.program})); !slices.Equal(copied, needed) {
			t.Errorf("%s copies %v, but `go list -deps ./%s` needs %v: make its COPY lines these",
				image.file, copied, image.program, needed)
		}
	}
}

// folders returns the folders at the module's root that contain the packages and everything that they import.
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

// pkg is what `go list` prints about a package of this module.
type pkg struct {
	ImportPath, Dir string
	GoFiles         []string
	CgoFiles        []string
	Deps            []string

	name string // its path within the module
}

// list returns the packages of the module.
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

// pick returns the packages that a rule is about. A rule about a package that does not exist fails the test, because it
// would always hold.
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

// files parses the files of the named packages, or the one named file. It leaves out test files.
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

// clockCall returns the first call in a file that reads the machine's clock, or "".
func clockCall(f *ast.File) (call string) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && call == "" {
			reads := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
			if slices.Contains(reads, s.Sel.Name) && (x.Name == "time" || x.Name == "metav1") {
				call = fmt.Sprintf("%s.%s", x.Name, s.Sel.Name)
			}
		}
		return true
	})
	return call
}

// standard reports whether an import path is of the standard library: its first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// matches reports whether name is one of the patterns, or below one that ends in /...; "..." matches everything.
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
