package checkpoint

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/wire"
)

const runUID, trialName = "run-uid", "d18"

func manifest(kind string, epoch int, step int64) wire.Manifest {
	return wire.Manifest{
		Format: wire.ManifestFormat, Version: wire.Version, Kind: kind,
		Trial: trialName, Writer: "w", Attempt: 1, Epoch: epoch, Step: step,
		Architecture: wire.Architecture{Depth: 18}, Classes: []string{"normal", "defect"}, Positive: "defect",
		Input:       wire.Input{Channels: []string{"AM"}, Size: 2, Mean: []float64{1}, Std: []float64{1}},
		Calibration: wire.Calibration{Temperature: 1, Comparator: ">="},
	}
}

func tensors(value float32) Tensors {
	return Tensors{
		{Name: "adamw.m/fc.weight", Role: wire.RoleSlot, Shape: []int{2, 3}, Data: []float32{value, 1, 2, 3, 4, 5}},
		{Name: "bn1.running_mean", Role: wire.RoleStatistic, Shape: []int{3}, Data: []float32{value, -1, 0.5}},
		{Name: "fc.bias", Role: wire.RoleWeight, Shape: nil, Data: []float32{value}}, // a scalar
		{Name: "fc.weight", Role: wire.RoleWeight, Shape: []int{2, 3}, Data: []float32{value, 9, 8, 7, 6, 5}},
	}
}

func history(n int64) (all []wire.Report) {
	for i := int64(1); i <= n; i++ {
		all = append(all, wire.Report{
			Version: wire.Version, Kind: wire.ReportStarted, RunUID: runUID, Trial: trialName, Depth: 18, Attempt: 1,
			Writer: "w", Sequence: i, Epochs: 9,
		})
	}
	return all
}

func best(epoch int) Checkpoint {
	c := Checkpoint{
		Manifest: manifest(wire.CheckpointBest, epoch, int64(epoch)*10),
		Tensors:  tensors(float32(epoch)).Inference(),
		History:  history(1),
		Golden:   []uint8{1, 2, 3, 4},
	}
	c.Manifest.Golden = []wire.Golden{{ID: "s1", Logit: 1, Probability: 0.7}}
	c.Manifest.Metrics = &wire.Metrics{AUCPR: float64(epoch) / 10}
	return c
}

// resume returns a resume checkpoint that names bestSoFar, unless that is nil.
func resume(epoch int, step int64, bestSoFar *wire.CheckpointRef) Checkpoint {
	c := Checkpoint{
		Manifest: manifest(wire.CheckpointResume, epoch, step),
		Tensors:  tensors(float32(step)),
		History:  history(2),
	}
	if bestSoFar != nil {
		c.Manifest.Best = &wire.BestSoFar{Checkpoint: *bestSoFar, Epoch: 1}
	}
	return c
}

func newWriter(t *testing.T, store, writer string, keepLast int) *Writer {
	t.Helper()
	w, err := NewWriter(wire.LocalURI(store), runUID, trialName, writer, keepLast, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func save(t *testing.T, w *Writer, c Checkpoint) wire.CheckpointRef {
	t.Helper()
	ref, err := w.Save(c)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func local(t *testing.T, ref wire.CheckpointRef) string {
	t.Helper()
	dir, err := wire.LocalPath(ref.URI)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func always(wire.Manifest) error { return nil }

func TestLoadReturnsWhatSaveWrote(t *testing.T) {
	for name, c := range map[string]Checkpoint{"best": best(3), "resume": resume(3, 31, nil)} {
		t.Run(name, func(t *testing.T) {
			store := t.TempDir()
			ref := save(t, newWriter(t, store, "d18-a1-pod", 2), c)
			got, err := Load(ref)
			if err != nil {
				t.Fatal(err)
			}
			ignored := cmpopts.IgnoreFields(wire.Manifest{}, "Files", "Roles")
			if diff := cmp.Diff(c, got, ignored, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("saved (-) and loaded (+):\n%s", diff)
			}
			want := map[string]string{
				"best":   "run-uid/d18/d18-a1-pod/best-e0003",
				"resume": "run-uid/d18/d18-a1-pod/resume-e0003-s00000031",
			}[name]
			if dir := local(t, ref); dir != filepath.Join(store, want) {
				t.Errorf("saved in %s, want %s", dir, want)
			}
		})
	}
}

func TestTheSameTensorsGiveTheSameBytes(t *testing.T) {
	var files [2]string
	for i := range files {
		dir := local(t, save(t, newWriter(t, t.TempDir(), "w", 2), resume(1, 1, nil)))
		b, err := os.ReadFile(filepath.Join(dir, wire.SlotsFile))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = string(b)
	}
	if files[0] != files[1] {
		t.Error("two files of the same tensors differ")
	}
}

func TestSha256sumAcceptsTheManifestsDigest(t *testing.T) {
	program, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("the program sha256sum is not installed")
	}
	check := exec.Command(program, "-c", sumFile)
	check.Dir = local(t, save(t, newWriter(t, t.TempDir(), "w", 2), best(1)))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
}

// Every file is damaged in every way. Each time Load refuses the checkpoint, and FindResume returns the one before.
func TestADamagedCheckpointIsRefused(t *testing.T) {
	damages := map[string]func(t *testing.T, file string){
		"one bit is flipped at the end": func(t *testing.T, file string) {
			edit(t, file, func(b []byte) []byte { b[len(b)-2] ^= 1; return b })
		},
		"one bit is flipped early": func(t *testing.T, file string) {
			edit(t, file, func(b []byte) []byte { b[min(20, len(b)-1)] ^= 1; return b })
		},
		"it is cut off": func(t *testing.T, file string) {
			edit(t, file, func(b []byte) []byte { return b[:len(b)/2] })
		},
		"it is empty": func(t *testing.T, file string) { edit(t, file, func(b []byte) []byte { return nil }) },
		"it is longer": func(t *testing.T, file string) {
			edit(t, file, func(b []byte) []byte { return append(b, '\n') })
		},
		"it is missing": func(t *testing.T, file string) { os.Remove(file) },
	}
	files := []string{wire.ManifestFile, sumFile, wire.WeightsFile, wire.SlotsFile, wire.HistoryFile}
	for damage, do := range damages {
		for _, file := range files {
			if file == sumFile && damage == "it is longer" {
				continue // white space after a digest does no harm
			}
			t.Run(file+": "+damage, func(t *testing.T) {
				store := t.TempDir()
				w := newWriter(t, store, "d18-a1-pod", 2)
				before := save(t, w, resume(1, 10, nil))
				newest := save(t, w, resume(2, 20, nil))
				do(t, filepath.Join(local(t, newest), file))
				if _, err := Load(newest); file != sumFile && !errors.Is(err, ErrDamaged) {
					t.Errorf("load: %v, want %v", err, ErrDamaged)
				}
				found, ref, refused, err := FindResume(wire.LocalURI(store), runUID, trialName, always)
				if err != nil || found == nil || ref != before || found.Manifest.Step != 10 {
					t.Fatalf("found %+v, error %v, want %+v", ref, err, before)
				}
				if len(refused) != 1 || refused[0].Dir != local(t, newest) || !errors.Is(refused[0].Why, ErrDamaged) {
					t.Errorf("refused %+v, want the newest one, because it is damaged", refused)
				}
			})
		}
	}
}

func edit(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The digests of a wrong manifest may be right, for example if another program wrote it. Load must still refuse it.
func TestAWrongManifestWithRightDigestsIsRefused(t *testing.T) {
	for name, change := range map[string]func(*wire.Manifest){
		"the weights are missing":            func(m *wire.Manifest) { m.Files = m.Files[:len(m.Files)-1] },
		"a tensor has no role":               func(m *wire.Manifest) { delete(m.Roles, "fc.bias") },
		"a role has no tensor":               func(m *wire.Manifest) { m.Roles["layer1.weight"] = wire.RoleWeight },
		"a file in another directory":        func(m *wire.Manifest) { m.Files[0].Name = "../golden.u8" },
		"more predictions than inputs":       func(m *wire.Manifest) { m.Golden = append(m.Golden, m.Golden[0]) },
		"another format":                     func(m *wire.Manifest) { m.Format = "plumbline.dev/checkpoint/v9" },
		"a wire version that is too new":     func(m *wire.Manifest) { m.Version = "2.0" },
		"a temperature that divides by zero": func(m *wire.Manifest) { m.Calibration.Temperature = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, t.TempDir(), "w", 2)
			dir := local(t, save(t, w, best(1)))
			var m wire.Manifest
			edit(t, filepath.Join(dir, wire.ManifestFile), func(b []byte) []byte {
				if err := json.Unmarshal(b, &m); err != nil {
					t.Fatal(err)
				}
				change(&m)
				b, _ = json.Marshal(m)
				return b
			})
			b, _ := os.ReadFile(filepath.Join(dir, wire.ManifestFile))
			_, err := Load(wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: digestOf(b)})
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("load: %v, want %v", err, ErrDamaged)
			}
		})
	}
}

func TestAMissingCheckpointIsNotDamaged(t *testing.T) {
	_, err := Load(wire.CheckpointRef{URI: wire.LocalURI(t.TempDir()) + "/gone", Digest: "sha256:0"})
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
		t.Errorf("load: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestFindResumeReturnsTheMostProgressOfAnyWriter(t *testing.T) {
	store := t.TempDir()
	uri := wire.LocalURI(store)
	found, _, refused, err := FindResume(uri, runUID, trialName, always)
	if found != nil || refused != nil || err != nil {
		t.Fatalf("in an empty store: %v, %v, %v", found, refused, err)
	}
	first, second := newWriter(t, store, "d18-a1-pod", 9), newWriter(t, store, "d18-a2-pod", 9)
	bestRef := save(t, first, best(2))
	save(t, first, resume(1, 10, nil))
	mid := save(t, first, resume(2, 25, &bestRef)) // in the middle of epoch 3
	save(t, second, resume(2, 20, &bestRef))
	// A writer that was killed before its first checkpoint, and one that was killed while writing.
	os.Mkdir(filepath.Join(store, "run-uid/d18/d18-a3-pod"), 0o755)
	os.MkdirAll(filepath.Join(store, "run-uid/d18/d18-a1-pod/.tmp-resume-e0009"), 0o755)
	os.WriteFile(filepath.Join(store, "run-uid/d18/note.txt"), nil, 0o644)

	found, ref, _, err := FindResume(uri, runUID, trialName, always)
	if err != nil || ref != mid || found.Manifest.Step != 25 || len(found.History) != 2 {
		t.Errorf("found %+v, error %v, want %+v", ref, err, mid)
	}
	other := errors.New("other settings")
	_, ref, refused, _ = FindResume(uri, runUID, trialName, func(m wire.Manifest) error {
		if m.Step > 20 {
			return other
		}
		return nil
	})
	isOther := func(r Refusal) bool { return errors.Is(r.Why, other) }
	if !strings.HasSuffix(ref.URI, "d18-a2-pod/resume-e0002-s00000020") || !slices.ContainsFunc(refused, isOther) {
		t.Errorf("found %+v, refused %+v, want the second writer's, because check refuses the first's", ref, refused)
	}
	// If the trial resumed from a checkpoint whose best is lost, it would end with a worse one.
	os.RemoveAll(local(t, bestRef))
	found, _, refused, _ = FindResume(uri, runUID, trialName, always)
	if found == nil || found.Manifest.Step != 10 || len(refused) < 2 {
		t.Errorf("without the best: found %+v, refused %+v, want the checkpoint that names no best", found, refused)
	}
}

// A file that cannot be read now may be readable later, so FindResume must not return an earlier checkpoint instead.
// A link to itself acts as a stale mount.
func TestFindResumeFailsIfSomethingCannotBeReadNow(t *testing.T) {
	const newest = "d18-a1-pod/resume-e0002-s00000020"
	for _, unreadable := range []string{
		"d18-a2-pod",
		newest,
		newest + "/" + wire.ManifestFile,
		newest + "/" + sumFile,
		newest + "/" + wire.SlotsFile,
		"d18-a1-pod/best-e0002/" + wire.WeightsFile,
	} {
		t.Run(unreadable, func(t *testing.T) {
			store := t.TempDir()
			w := newWriter(t, store, "d18-a1-pod", 2)
			save(t, w, resume(1, 10, nil))
			bestRef := save(t, w, best(2))
			save(t, w, resume(2, 20, &bestRef))
			path := filepath.Join(store, runUID, trialName, unreadable)
			if err := errors.Join(os.RemoveAll(path), os.Symlink(path, path)); err != nil {
				t.Fatal(err)
			}
			found, _, refused, err := FindResume(wire.LocalURI(store), runUID, trialName, always)
			if !errors.Is(err, syscall.ELOOP) || found != nil || refused != nil {
				t.Errorf("found %+v, refused %+v, error %v, want %v", found, refused, err, syscall.ELOOP)
			}
		})
	}
}

func TestRetainKeepsCheckpointsThatMayBeNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		own    []ownCheckpoint // from the oldest to the newest
		pinned string
		want   []string
	}{
		"the last two of each kind": {
			own: []ownCheckpoint{
				{name: "r1", kind: "resume"},
				{name: "b1", kind: "best"},
				{name: "r2", kind: "resume"},
				{name: "b2", kind: "best"},
				{name: "b3", kind: "best"},
				{name: "r3", kind: "resume"},
			},
			want: []string{"r2", "b2", "b3", "r3"},
		},
		"an older best that a kept resume checkpoint names": {
			own: []ownCheckpoint{
				{name: "b1", kind: "best"},
				{name: "r1", kind: "resume", best: "b1"},
				{name: "b2", kind: "best"},
				{name: "b3", kind: "best"},
				{name: "r2", kind: "resume", best: "b3"},
			},
			want: []string{"b1", "r1", "b2", "b3", "r2"},
		},
		"the last best whose report was delivered": {
			own: []ownCheckpoint{
				{name: "b1", kind: "best"},
				{name: "b2", kind: "best"},
				{name: "b3", kind: "best"},
				{name: "b4", kind: "best"},
			},
			pinned: "b1",
			want:   []string{"b1", "b3", "b4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range test.own {
				test.own[i].uri = test.own[i].name
			}
			keep, discard := retain(test.own, 2, test.pinned)
			var got []string
			for _, s := range keep {
				got = append(got, s.name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(keep)+len(discard) != len(test.own) {
				t.Errorf("kept:\n%s", diff)
			}
		})
	}
}

// An attempt with more progress than earlier ones removes their resume checkpoints, and those of their bests that can
// no longer be chosen. It never removes anything of a later attempt.
func TestRemoveOvertakenRemovesCheckpointsOfEarlierAttempts(t *testing.T) {
	store := t.TempDir()
	acknowledged := "" // uri of the last best whose report the stream has acknowledged
	earlier, later := newWriter(t, store, "d18-a1-pod", 2), newWriter(t, store, "d18-a3-pod", 2)
	var bests []wire.CheckpointRef
	for e := range 3 {
		bests = append(bests, save(t, earlier, best(e+1)))
		save(t, earlier, resume(e+1, int64(e)*10, &bests[e]))
	}
	save(t, earlier, resume(9, 90, nil)) // acts as a damaged one: the later attempt did not resume from it
	save(t, later, resume(1, 0, &bests[1]))
	if err := os.Mkdir(filepath.Join(earlier.Dir(), ".tmp-best-e0009"), 0o755); err != nil {
		t.Fatal(err)
	}
	remaining := func() map[string][]string {
		got := map[string][]string{}
		for _, writer := range []string{"d18-a1-pod", "d18-a2-pod", "d18-a3-pod"} {
			entries, _ := os.ReadDir(filepath.Join(store, runUID, trialName, writer))
			for _, e := range entries {
				got[writer] = append(got[writer], e.Name())
			}
		}
		return got
	}
	w := newWriter(t, store, "d18-a2-pod", 2)
	w.pinned = func() string { return acknowledged }
	step := func(epoch int) {
		acknowledged = save(t, w, best(epoch)).URI
		save(t, w, resume(epoch, int64(epoch-1)*10, nil))
		if err := w.RemoveOvertaken(); err != nil {
			t.Fatal(err)
		}
	}
	step(3)
	// The later attempt has one resume checkpoint, which is not enough: those of the earlier attempt, and their bests,
	// are still needed.
	want := map[string][]string{
		"d18-a1-pod": {
			"best-e0001", "best-e0002", "best-e0003",
			"resume-e0001-s00000000", "resume-e0002-s00000010", "resume-e0003-s00000020", "resume-e0009-s00000090",
		},
		"d18-a2-pod": {"best-e0003", "resume-e0003-s00000020"},
		"d18-a3-pod": {"resume-e0001-s00000000"},
	}
	if diff := cmp.Diff(want, remaining()); diff != "" {
		t.Errorf("remaining after the first step:\n%s", diff)
	}
	damaged := func(m wire.Manifest) error { // refuses the checkpoints after epoch 2
		if m.Epoch > 2 {
			return ErrDamaged
		}
		return nil
	}
	from, _, refused, err := FindResume(wire.LocalURI(store), runUID, trialName, damaged)
	if err != nil || from == nil || from.Manifest.Epoch != 2 {
		t.Errorf("without the checkpoints after epoch 2: found %+v, refused %v, error %v", from, refused, err)
	}
	step(4)
	step(5)
	want = map[string][]string{ // the later attempt may still resume from its own
		"d18-a1-pod": {"best-e0002", "resume-e0009-s00000090"},
		"d18-a2-pod": {"best-e0004", "best-e0005", "resume-e0004-s00000030", "resume-e0005-s00000040"},
		"d18-a3-pod": {"resume-e0001-s00000000"},
	}
	if diff := cmp.Diff(want, remaining()); diff != "" {
		t.Errorf("remaining:\n%s", diff)
	}
}

func TestAFailedSaveLeavesNothing(t *testing.T) {
	store := t.TempDir()
	w := newWriter(t, store, "w", 2)
	c := best(1)
	c.Tensors[0].Data = c.Tensors[0].Data[:1]
	if _, err := w.Save(c); err == nil {
		t.Fatal("Save accepted a tensor that lacks values")
	}
	if entries, _ := os.ReadDir(filepath.Join(store, runUID, trialName, "w")); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
	save(t, w, best(1))
	if _, err := w.Save(best(1)); err == nil {
		t.Error("Save overwrote a checkpoint")
	}
}
