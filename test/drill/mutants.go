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

// mutant is a fault that is put into the operator on purpose: the validator must see it, or it would see nothing.
// Those that show only after a certain fault are struck by that kind alone.
type mutant struct {
	name, file, old, new string
	only                 []string
}

var mutants = []mutant{
	{"a report that is told again is counted again", "operator/ingest/ledger.go",
		"	if repeated {\n		t.view.Duplicates++\n	} else {\n		t.view.Folded++\n	}\n", "	t.view.Folded++\n", []string{"kill a trial's process"}},
	{"a report that is told again is no duplicate", "operator/ingest/ledger.go",
		"	if repeated {\n		t.view.Duplicates++\n	} else {\n", "	if !repeated {\n", []string{"kill a trial's process"}},
	{"one report in nine is dropped", "operator/ingest/ingest.go",
		"	g.mu.Lock()\n	defer g.mu.Unlock()\n	uid := types.UID(runOf(subject))\n", "	g.mu.Lock()\n	defer g.mu.Unlock()\n	if len(data)%9 == 0 {\n		return nil\n	}\n	uid := types.UID(runOf(subject))\n", nil},
	{"the lowest AUC-PR is the best", "operator/ingest/ledger.go", "x.beats(*t.best)", "!x.beats(*t.best)", nil},
	{"a trial that was killed after its first checkpoint has succeeded", "operator/plan/trial.go",
		"p.Stream.Current && p.Reports.Trials[t.Name].Finished", "p.Stream.Current && p.Reports.Trials[t.Name].Best != nil", []string{"kill a trial's process"}},
	{"the next attempt does not wait for the end of the one before", "operator/plan/trial.go",
		"		if pod := p.remainingPod(t); pod != \"\" {\n			p.planAtNodeLoss(t)\n", "		if pod := \"\"; pod != \"\" {\n			p.planAtNodeLoss(t)\n", []string{"delete the Job of a trial that hangs"}},
	{"an operator that takes over reads on from the end", "operator/ingest/consumer.go",
		"			from = max(1, min(from, f.began.Sequence))\n", "", []string{"kill both operators"}},
}

// hunt builds an operator with each fault in turn whose name holds a word, runs a short drill on it and says whether the validator saw it.
func hunt(ctx context.Context, c config, word string) error {
	missed := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, word) {
			continue
		}
		bin, err := os.MkdirTemp("", "plumbline-mutant-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(bin)
		if err := m.build(ctx, c, bin); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		one := c
		one.bin, one.mistakesToo = bin, false
		if one.among, err = kinds(m.only); err != nil {
			return err
		}
		one.say = io.Discard
		err = run(ctx, one)
		var found outOfOrder
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.As(err, &found):
			return fmt.Errorf("%s: the drill itself failed: %w", m.name, err)
		case err == nil:
			missed++
			fmt.Fprintf(c.say, "MISSED  %s\n", m.name)
			continue
		}
		fmt.Fprintf(c.say, "seen    %s\n          %v\n", m.name, err)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d faults in the operator were not seen", missed, len(mutants))
	}
	return nil
}

// build makes bin a copy of the programs with another operator. The source tree is not touched: the compiler is given the changed
// file in place of the other.
func (m mutant) build(ctx context.Context, c config, bin string) error {
	source := filepath.Join(c.root, m.file)
	b, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if n := strings.Count(string(b), m.old); n != 1 {
		return fmt.Errorf("%s holds what is to be changed %d times: keep mutants.go in step with it", m.file, n)
	}
	changed, overlay := filepath.Join(bin, "changed.go"), filepath.Join(bin, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(b), m.old, m.new, 1)), 0o644); err != nil {
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
	build := exec.CommandContext(ctx, "go", "build", "-tags", "drill", "-overlay", overlay, "-o", filepath.Join(bin, "plumbline-operator"), "./operator")
	build.Dir = c.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build it: %w\n%s", err, out)
	}
	return nil
}
