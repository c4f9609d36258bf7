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

// write commits a best of epoch 1 and 2 and a resume checkpoint that names the second, or the given one, as one writer of d18.
func write(t *testing.T, store, run, writer string, of *wire.CheckpointRef) {
	t.Helper()
	w, err := NewWriter(wire.LocalURI(store), run, trialName, writer, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	save(t, w, best(1))
	second := save(t, w, best(2))
	if of == nil {
		of = &second
	}
	c := resume(2, 20, of)
	c.Manifest.Run = wire.Run{Namespace: "default", Name: "erasers", UID: run}
	save(t, w, c)
}

// removals looks and says what may go, without the sizes.
func removals(t *testing.T, store string, keep wire.Keep, now time.Time) (paths []string, strangers []string) {
	t.Helper()
	s, err := Survey(store, keep, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Removals {
		if r.Bytes == 0 && !strings.Contains(r.Path, ".tmp") {
			t.Errorf("%s takes no room", r.Path)
		}
		paths = append(paths, r.Path+": "+r.Why)
	}
	for _, who := range s.Strangers {
		strangers = append(strangers, who.UID+" "+who.Run.Name)
	}
	slices.Sort(paths)
	return paths, strangers
}

func TestWhatAStoreMayLose(t *testing.T) {
	const month = 30 * 24 * 3600
	for name, test := range map[string]struct {
		keep      wire.Keep
		now       time.Duration // after everything was written
		want      []string
		strangers []string
	}{
		"nothing of anybody without a word": {wire.Keep{IdleSeconds: month}, 0, nil, []string{"r1 erasers", "r2 erasers"}},
		"of an ended run all but what is named, and nothing of a live one": {
			wire.Keep{Live: []string{"r2"}, Ended: []string{"r1"}, Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002"}, IdleSeconds: month}, 0,
			[]string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030: left by a process that was killed",
				"r1/d18/d18-a1-p/resume-e0002-s00000020: its run has ended",
			}, // r2's resume checkpoint needs r1's best-e0001
			nil},
		"of an ended run no best while nobody names one": { // the newest may be newer than the last resume checkpoint
			wire.Keep{Ended: []string{"r1", "r2"}, IdleSeconds: month}, 0,
			[]string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030: left by a process that was killed",
				"r1/d18/d18-a1-p/resume-e0002-s00000020: its run has ended",
				"r2/d18/d18-a1-q/resume-e0002-s00000020: its run has ended",
			}, nil},
		"of a told run the best that another's resume checkpoint names": {
			wire.Keep{Ended: []string{"r1", "r2"}, Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002", "r2/d18/d18-a1-q/best-e0002"}, IdleSeconds: month}, 0,
			[]string{
				"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030: left by a process that was killed",
				"r1/d18/d18-a1-p/best-e0001: not its trial's best",
				"r1/d18/d18-a1-p/resume-e0002-s00000020: its run has ended",
				"r2/d18/d18-a1-q/best-e0001: not its trial's best",
				"r2/d18/d18-a1-q/resume-e0002-s00000020: its run has ended",
			}, nil},
		"a stranger that has not changed for long, whole": {
			wire.Keep{Live: []string{"r1"}, Unknown: true, IdleSeconds: month}, 31 * 24 * time.Hour,
			[]string{"cache/packed-aa: decoded images that nobody has used lately", "r2: no run of this uid exists"}, nil},
		"a stranger of which something is promoted, but for that": {
			wire.Keep{Live: []string{"r1"}, Checkpoints: []string{"r2/d18/d18-a1-q/best-e0002"}, Unknown: true, IdleSeconds: month}, 31 * 24 * time.Hour,
			[]string{
				"cache/packed-aa: decoded images that nobody has used lately",
				"r2/d18/d18-a1-q/best-e0001: not its trial's best",
				"r2/d18/d18-a1-q/resume-e0002-s00000020: its run has ended",
			}, nil},
		"no stranger that has changed lately": {wire.Keep{Live: []string{"r1"}, Unknown: true, IdleSeconds: month}, 29 * 24 * time.Hour, nil, []string{"r2 erasers"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := t.TempDir()
			write(t, store, "r1", "d18-a1-p", nil)
			older := wire.CheckpointRef{URI: "file:///elsewhere/r1/d18/d18-a1-p/best-e0001", Digest: "sha256:0"} // r2 went on from r1
			write(t, store, "r2", "d18-a1-q", &older)
			for _, dir := range []string{"r1/d18/d18-a1-p/.tmp-resume-e0003-s00000030", "r1/d18/d18-a1-p/report", "cache", "lost+found"} {
				if err := os.MkdirAll(filepath.Join(store, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(store, "cache/packed-aa"), []byte("pixels"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, strangers := removals(t, store, test.keep, time.Now().Add(test.now))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("may go:\n%s", diff)
			}
			if diff := cmp.Diff(test.strangers, strangers); diff != "" {
				t.Errorf("strangers:\n%s", diff)
			}
		})
	}
}

// What a prune that was killed left under its other name goes with the next; what is kept can still be loaded.
func TestAPruneThatWasKilledIsFinishedByTheNext(t *testing.T) {
	store := t.TempDir()
	write(t, store, "r1", "d18-a1-p", nil)
	keep := wire.Keep{Ended: []string{"r1"}, Checkpoints: []string{"r1/d18/d18-a1-p/best-e0002"}}
	old := filepath.Join(store, "r1/d18/d18-a1-p/.old-best-e0001")
	if err := os.Rename(filepath.Join(store, "r1/d18/d18-a1-p/best-e0001"), old); err != nil { // and killed here
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
	left, err := os.ReadDir(filepath.Dir(old))
	if err != nil || len(left) != 1 || left[0].Name() != "best-e0002" {
		t.Errorf("left %v, error %v", left, err)
	}
	ref, err := Stated(filepath.Join(filepath.Dir(old), "best-e0002"))
	if err == nil {
		_, err = Load(ref)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestADirectoryThatIsNoStoreIsRefused(t *testing.T) {
	for name, path := range map[string]string{
		"a file":                            "notes.txt",
		"a data set":                        "images/GRAY/e0001.png",
		"a registry of models":              "eraser/1/saved_model.pb",
		"a writer of another trial":         "r1/d18/d34-a1-p/best-e0001/manifest.json",
		"something hidden that is not ours": ".git/config/x",
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
		_, err := Survey(store, wire.Keep{Ended: []string{"r1"}}, time.Now())
		if !errors.Is(err, ErrNotStore) || !strings.Contains(err.Error(), filepath.Join(store, top)+" is neither") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if s, err := Survey(t.TempDir(), wire.Keep{}, time.Now()); err != nil || len(s.Removals) > 0 {
		t.Errorf("an empty store: %+v, error %v", s, err)
	}
}
