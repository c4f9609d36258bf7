package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mutant is a bug that is put into the operator on purpose: in the file, the text before is replaced by the text after.
// The judge must find each mutant: a real bug like one that it misses would pass every drill.
type mutant struct {
	name   string
	file   string
	before string
	after  string
	only   []string // the faults that strike; none: all. Some mutants show only after a certain fault.
}

var mutants = []mutant{
	{
		name: "a report that is sent again is counted again",
		file: "operator/ledger/ledger.go",
		before: `
	if repeated {
		t.view.Duplicates++
	} else {
		t.view.Folded++
	}
`,
		after: `
	t.view.Folded++
`,
		only: []string{"kill a trial's process"},
	},
	{
		name: "a report that is sent again is not counted as a duplicate",
		file: "operator/ledger/ledger.go",
		before: `
	if repeated {
		t.view.Duplicates++
	} else {
`,
		after: `
	if !repeated {
`,
		only: []string{"kill a trial's process"},
	},
	{
		name: "one report in nine is dropped",
		file: "operator/ingest/ingest.go",
		before: `
	g.mu.Lock()
	defer g.mu.Unlock()
	uid := types.UID(runOf(subject))
`,
		after: `
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(data)%9 == 0 {
		return nil
	}
	uid := types.UID(runOf(subject))
`,
	},
	{
		name:   "the lowest AUC-PR is the best",
		file:   "operator/ledger/ledger.go",
		before: "x.beats(*t.best)",
		after:  "!x.beats(*t.best)",
	},
	{
		name:   "a trial that was killed after its first checkpoint counts as succeeded",
		file:   "operator/plan/trial.go",
		before: "p.Stream.Current && p.Reports.Trials[t.Name].Finished",
		after:  "p.Stream.Current && p.Reports.Trials[t.Name].Best != nil",
		only:   []string{"kill a trial's process"},
	},
	{
		name: "the next attempt does not wait for the end of the one before",
		file: "operator/plan/trial.go",
		before: `
		if remaining := p.remaining(t); remaining != "" {
			p.planAtNodeLoss(t)
`,
		after: `
		if remaining := ""; remaining != "" {
			p.planAtNodeLoss(t)
`,
		only: []string{"delete the Job of a trial that hangs"},
	},
	{
		name: "an operator that takes over starts to read at the end of the stream",
		file: "operator/ingest/consumer.go",
		before: `
			from = max(1, min(from, run.began.Sequence))
`,
		after: `
`,
		only: []string{"kill both operators"},
	},
}

// tryMutants drills an operator with each mutant whose name contains word, one after the other, and prints whether the
// judge found it. It is an error if the judge missed one.
func tryMutants(ctx context.Context, c config, word string) error {
	missed := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, word) {
			continue
		}
		violations, err := m.drill(ctx, c)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%s: %w", m.name, err)
		case len(violations) == 0:
			missed++
			fmt.Fprintf(c.out, "MISSED  %s\n", m.name)
		default:
			fmt.Fprintf(c.out, "seen    %s\n          %v\n", m.name, violations)
		}
	}
	if missed > 0 {
		return fmt.Errorf("the judge missed %d of %d mutants", missed, len(mutants))
	}
	return nil
}

// drill builds the operator with the mutant, runs a drill with it and returns the violations that the judge found.
func (m mutant) drill(ctx context.Context, c config) (violationsError, error) {
	bin, err := os.MkdirTemp("", "plumbline-mutant-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(bin)
	if err := m.build(ctx, c, bin); err != nil {
		return nil, err
	}
	c.bin, c.goOn, c.out = bin, false, io.Discard
	if c.kinds, err = faultsNamed(m.only); err != nil {
		return nil, err
	}
	err = runDrill(ctx, c)
	var violations violationsError
	if err != nil && !errors.As(err, &violations) {
		return nil, fmt.Errorf("the drill itself failed: %w", err)
	}
	return violations, nil
}

// build fills bin with the programs, of which the operator has the mutant. It does not change the source tree: with an
// overlay, the compiler reads the changed file instead of the file in the tree.
func (m mutant) build(ctx context.Context, c config, bin string) error {
	source := filepath.Join(c.root, m.file)
	b, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if n := strings.Count(string(b), m.before); n != 1 {
		return fmt.Errorf("%s contains the text to replace %d times, want once: adapt test/drill/mutants.go", m.file, n)
	}
	changed, overlay := filepath.Join(bin, "changed.go"), filepath.Join(bin, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(b), m.before, m.after, 1)), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		return err
	}
	for _, p := range []string{"plumb", "plumbline-trainer", "localcluster"} {
		if err := os.Symlink(filepath.Join(c.bin, p), filepath.Join(bin, p)); err != nil {
			return err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-tags", "drill", "-overlay", overlay,
		"-o", filepath.Join(bin, "plumbline-operator"), "./operator")
	build.Dir = c.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the operator: %w\n%s", err, out)
	}
	return nil
}
