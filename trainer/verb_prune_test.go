package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

func TestPruneRemovesWhatIsNotNeededAndSaysSo(t *testing.T) {
	store := t.TempDir()
	for _, name := range []string{"best-e0001", "best-e0002", "resume-e0002-s00000020", "report"} {
		dir := filepath.Join(store, "r1/d18/d18-a1-p", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "x"), make([]byte, 1500), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list := filepath.Join(t.TempDir(), "keep.json")
	keep := func(k wire.KeepList) {
		k.Version = wire.Version
		if k.Made.IsZero() {
			k.Made = time.Now()
		}
		text, err := json.Marshal(k)
		if err == nil {
			err = os.WriteFile(list, text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(code int, say string, more ...string) {
		t.Helper()
		p := runVerb(t, append([]string{"prune", "--checkpoints", store, "--keep", list}, more...)...)
		if p.code != code || !strings.Contains(p.out+p.log, say) {
			t.Errorf("exit %d, want %d and %q:\n%s%s", p.code, code, say, p.out, p.log)
		}
	}
	left := func() string {
		entries, err := os.ReadDir(filepath.Join(store, "r1/d18/d18-a1-p"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ")
	}

	run(wire.ExitNoInput, "read the keep list")
	keep(wire.KeepList{Ended: []string{"../r1"}})
	run(wire.ExitSettings, `"../r1" is not a run's uid`)
	keep(wire.KeepList{Made: time.Now().Add(-wire.KeepMaxAge - time.Minute), Ended: []string{"r1"}})
	run(wire.ExitSettings, "run plumb prune again")
	keep(wire.KeepList{})
	run(0, "left             6.0 kB  r1: a run that the keep list does not name")
	keep(wire.KeepList{Ended: []string{"r1"}, Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002"}})
	run(0, "would remove     1.5 kB  r1/d18/d18-a1-p/best-e0001 (not its trial's best)", "--dry-run")
	if got := left(); got != "best-e0001 best-e0002 report resume-e0002-s00000020" {
		t.Errorf("after a dry run there is %s", got)
	}
	run(0, "removed 2 files and directories, 3.0 kB, of 1 runs in "+store)
	if got := left(); got != "best-e0002 report" {
		t.Errorf("after prune there is %s", got)
	}
	if err := os.WriteFile(filepath.Join(store, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run(wire.ExitData, checkpoint.ErrNotStore.Error())
}
