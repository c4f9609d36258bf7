package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/wire"
)

// write commits the bests of epochs 1 and 2 and a resume checkpoint, as a writer of trial d18. The resume checkpoint
// names bestSoFar or, if that is nil, the best of epoch 2.
func write(t *testing.T, store, run, writer string, bestSoFar *wire.CheckpointRef) {
	t.Helper()
	w, err := NewWriter(wire.LocalURI(store), run, trialName, writer, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	save(t, w, best(1))
	second := save(t, w, best(2))
	if bestSoFar == nil {
		bestSoFar = &second
	}
	c := resume(2, 20, bestSoFar)
	c.Manifest.Run = wire.Run{Namespace: "default", Name: "erasers", UID: run}
	save(t, w, c)
}

// survey returns the findings as text, without sizes: a line for each removal, and a line for each unknown run.
func survey(t *testing.T, store string, keep wire.KeepList, now time.Time) (removals, unknown []string) {
	t.Helper()
	s, err := Survey(store, keep, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Removals {
		if r.Bytes == 0 && !strings.Contains(r.Path, ".tmp") {
			t.Errorf("%s has the size 0", r.Path)
		}
		removals = append(removals, r.Path+": "+r.Why)
	}
	for _, u := range s.UnknownRuns {
		unknown = append(unknown, u.UID+" "+u.Run.Name)
	}
	slices.Sort(removals)
	return removals, unknown
}

func TestSurvey(t *testing.T) {
	const month = 30 * 24 * 3600
	for name, test := range map[string]struct {
		keep    wire.KeepList
		now     time.Duration // since everything was written
		want    []string
		unknown []string
	}{
		"without any run in the list nothing may be removed": {
			keep:    wire.KeepList{IdleSeconds: month},
			unknown: []string{"r1 erasers", "r2 erasers"},
		},
		"of an ended run everything that is not named, and nothing of a live run": {
			keep: wire.KeepList{
				Live:        []string{"r2"},
				Ended:       []string{"r1"},
				Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002"},
				IdleSeconds: month,
			},
			// The resume checkpoint of r2 needs best-e0001 of r1.
			want: []string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030: left by a process that was killed",
				"r1/d18/d18-a1-p/resume-e0002-s00000020: its run has ended",
			},
		},
		"of an ended run no best if the list names none": {
			// The newest best may be newer than the last resume checkpoint.
			keep: wire.KeepList{Ended: []string{"r1", "r2"}, IdleSeconds: month},
			want: []string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030: left by a process that was killed",
				"r1/d18/d18-a1-p/resume-e0002-s00000020: its run has ended",
				"r2/d18/d18-a1-q/resume-e0002-s00000020: its run has ended",
			},
		},
		"a best that the resume checkpoint of another ended run names": {
			keep: wire.KeepList{
				Ended:       []string{"r1", "r2"},
				Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002", "r2/d18/d18-a1-q/best-e0002"},
				IdleSeconds: month,
			},
			want: []string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030: left by a process that was killed",
				"r1/d18/d18-a1-p/best-e0001: not its trial's best",
				"r1/d18/d18-a1-p/resume-e0002-s00000020: its run has ended",
				"r2/d18/d18-a1-q/best-e0001: not its trial's best",
				"r2/d18/d18-a1-q/resume-e0002-s00000020: its run has ended",
			},
		},
		"an unknown run that has been idle, as a whole": {
			keep: wire.KeepList{Live: []string{"r1"}, Unknown: true, IdleSeconds: month},
			now:  31 * 24 * time.Hour,
			want: []string{
				"cache/packed-aa: decoded images that nobody has used lately",
				"r2: no run of this uid exists",
			},
		},
		"an unknown run that has been idle, except for a promoted checkpoint": {
			keep: wire.KeepList{
				Live:        []string{"r1"},
				Checkpoints: []string{"r2/d18/d18-a1-q/best-e0002"},
				Unknown:     true,
				IdleSeconds: month,
			},
			now: 31 * 24 * time.Hour,
			want: []string{
				"cache/packed-aa: decoded images that nobody has used lately",
				"r2/d18/d18-a1-q/best-e0001: not its trial's best",
				"r2/d18/d18-a1-q/resume-e0002-s00000020: its run has ended",
			},
		},
		"no unknown run that has changed lately": {
			keep:    wire.KeepList{Live: []string{"r1"}, Unknown: true, IdleSeconds: month},
			now:     29 * 24 * time.Hour,
			unknown: []string{"r2 erasers"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := t.TempDir()
			write(t, store, "r1", "d18-a1-p", nil)
			// r2 has resumed from r1, through another mount path.
			older := wire.CheckpointRef{URI: "file:///elsewhere/r1/d18/d18-a1-p/best-e0001", Digest: "sha256:0"}
			write(t, store, "r2", "d18-a1-q", &older)
			for _, dir := range []string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030", "r1/d18/d18-a1-p/report", "cache", "lost+found",
			} {
				if err := os.MkdirAll(filepath.Join(store, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(store, "cache/packed-aa"), []byte("pixels"), 0o644); err != nil {
				t.Fatal(err)
			}
			removals, unknown := survey(t, store, test.keep, time.Now().Add(test.now))
			if diff := cmp.Diff(test.want, removals); diff != "" {
				t.Errorf("may be removed:\n%s", diff)
			}
			if diff := cmp.Diff(test.unknown, unknown); diff != "" {
				t.Errorf("unknown runs:\n%s", diff)
			}
		})
	}
}

// A prune that was killed leaves a directory with DiscardedPrefix. The next prune removes that directory, and a kept
// checkpoint can still be loaded.
func TestTheNextPruneFinishesOneThatWasKilled(t *testing.T) {
	store := t.TempDir()
	write(t, store, "r1", "d18-a1-p", nil)
	keep := wire.KeepList{Ended: []string{"r1"}, Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002"}}
	old := filepath.Join(store, "r1/d18/d18-a1-p/.old-best-e0001")
	if err := os.Rename(filepath.Join(store, "r1/d18/d18-a1-p/best-e0001"), old); err != nil { // then it is killed
		t.Fatal(err)
	}
	s, err := Survey(store, keep, time.Now())
	if err != nil || len(s.Removals) != 2 {
		t.Fatalf("%+v, error %v", s, err)
	}
	for _, r := range s.Removals {
		if err := Remove(filepath.Join(store, r.Path)); err != nil {
			t.Fatal(err)
		}
	}
	remaining, err := os.ReadDir(filepath.Dir(old))
	if err != nil || len(remaining) != 1 || remaining[0].Name() != "best-e0002" {
		t.Errorf("remaining: %v, error %v", remaining, err)
	}
	ref, err := RefOf(filepath.Join(filepath.Dir(old), "best-e0002"))
	if err == nil {
		_, err = Load(ref)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestSurveyRefusesADirectoryThatIsNoStore(t *testing.T) {
	for name, path := range map[string]string{
		"a file":                                "notes.txt",
		"a data set":                            "images/GRAY/e0001.png",
		"a registry of models":                  "eraser/1/saved_model.pb",
		"a writer of another trial":             "r1/d18/d34-a1-p/best-e0001/manifest.json",
		"a hidden directory of another program": ".git/config/x",
	} {
		store := t.TempDir()
		write(t, store, "r1", "d18-a1-p", nil)
		file := filepath.Join(store, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		top, _, _ := strings.Cut(path, "/")
		_, err := Survey(store, wire.KeepList{Ended: []string{"r1"}}, time.Now())
		if !errors.Is(err, ErrNotStore) || !strings.Contains(err.Error(), filepath.Join(store, top)+" is neither") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if s, err := Survey(t.TempDir(), wire.KeepList{}, time.Now()); err != nil || len(s.Removals) > 0 {
		t.Errorf("an empty store: %+v, error %v", s, err)
	}
}
