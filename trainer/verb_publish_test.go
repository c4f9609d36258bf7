package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// fitArgs are the arguments with which the tests run fit on the easy data set.
func fitArgs(data, out string, more ...string) []string {
	args := []string{"fit", "--data", data, "--out", out, "--depth", "18", "--image-size", "32"}
	return append(args, more...)
}

// fitted trains one depth with fit, once for all tests, and returns the directory of its best checkpoint.
func fitted(t *testing.T) (best string) {
	t.Helper()
	fitOnce.Do(func() {
		data, err := easySet()
		if err != nil {
			t.Fatal(err)
		}
		fitPod = runVerb(t, fitArgs(data, filepath.Join(shared, "out"), "--epochs", "2", "--batch-size", "8")...)
	})
	if fitPod.code != 0 {
		t.Fatalf("fit: exit %d\n%s", fitPod.code, fitPod.log)
	}
	m := regexp.MustCompile(`(?m)^best +(.*)$`).FindStringSubmatch(fitPod.out)
	if m == nil {
		t.Fatalf("the summary does not name the best checkpoint:\n%s", fitPod.out)
	}
	return m[1]
}

var (
	fitOnce sync.Once
	fitPod  pod
)

// publication returns the document of a publishing Job. dir is the checkpoint's directory.
func publication(t *testing.T, registry, dir string, number int64) wire.Publication {
	t.Helper()
	ref, err := checkpoint.RefOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Publication{
		Version:    wire.Version,
		Namespace:  "default",
		Model:      "eraser",
		Number:     number,
		Registry:   wire.LocalURI(registry),
		Checkpoint: ref,
		Result:     filepath.Join(t.TempDir(), "termination-log"),
	}
}

// publishPod publishes as a publishing Job's pod would.
func publishPod(t *testing.T, pub wire.Publication) pod {
	t.Helper()
	text, err := json.Marshal(pub)
	if err != nil {
		t.Fatal(err)
	}
	return runPod(t, []string{"publish"}, map[string]string{wire.EnvPublication: string(text)}, pub.Result, nil)
}

// copied returns a copy of a directory that a test may damage.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestFitThatIsRepeatedHasNothingLeftToTrain(t *testing.T) {
	fitted(t)
	data, _ := easySet()
	again := fitArgs(data, filepath.Join(shared, "out"), "--epochs", "2", "--batch-size", "8")
	p := runVerb(t, again...)
	if p.code != 0 || !strings.Contains(p.out, "were selected on it") {
		t.Errorf("exit %d\n%s%s", p.code, p.log, p.out)
	}
	test := regexp.MustCompile(`(?m)^test.*$`)
	if was, now := test.FindString(fitPod.out), test.FindString(p.out); now == "" || now != was {
		t.Errorf("the test split was scored as\n%s\nat first, and now as\n%s", was, now)
	}
	p = runVerb(t, append(again, "--learning-rate", "0.01")...)
	p.expectLog(t, wire.ExitSettings, "trained on other settings")
}

func TestAVersionIsPublishedOnceAndComplete(t *testing.T) {
	best, registry := fitted(t), filepath.Join(t.TempDir(), "models")
	for _, stale := range []string{".publishing-1-123", ".old-.publishing-1-456"} {
		if err := os.MkdirAll(filepath.Join(registry, "eraser", stale), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pub := publication(t, registry, best, 1)
	first := publishPod(t, pub)
	version := filepath.Join(registry, "eraser/1")
	if first.code != 0 || first.result.Reason != "Published" || first.result.URI != wire.LocalURI(version) {
		t.Fatalf("exit %d, result %+v\n%s", first.code, first.result, first.log)
	}
	if got := names(t, filepath.Join(registry, "eraser")); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the model's directory holds %v, want version 1 alone", got)
	}
	c, digest, err := readCard(version)
	isFirst := digest == first.result.Digest && c.Checkpoint == pub.Checkpoint.Digest && c.Manifest.Trial == "d18"
	if err != nil || !isFirst {
		t.Errorf("the card: checkpoint %s, digest %s, error %v", c.Checkpoint, digest, err)
	}
	if again := publishPod(t, pub); again.code != 0 || again.result.Digest != first.result.Digest {
		t.Errorf("a second Job for the same version: exit %d, result %+v", again.code, again.result)
	}

	other := pub
	other.Checkpoint.Digest = "sha256:" + strings.Repeat("0", 64)
	publishPod(t, other).expect(t, wire.ExitData, "BadData", "another checkpoint")
	if err := os.WriteFile(filepath.Join(version, "variables/variables.index"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	publishPod(t, pub).expect(t, wire.ExitData, "BadData", "variables.index has the sha256")
}

// names returns the names of the files in a directory, and none if the directory does not exist.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestAFailedPublicationLeavesNothing(t *testing.T) {
	best := fitted(t)
	resume, err := filepath.Glob(filepath.Join(filepath.Dir(best), "resume-*"))
	if err != nil || len(resume) == 0 {
		t.Fatalf("no resume checkpoint: %v", err)
	}
	noRegistry := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(noRegistry, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	withManifest := func(t *testing.T, pub *wire.Publication, dir string, change func(*wire.Manifest)) {
		t.Helper()
		pub.Checkpoint = wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: rewrite(t, dir, change)}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, pub *wire.Publication)
		code    int
		reason  string
		say     string
	}{
		"changed weights": {
			prepare: func(t *testing.T, pub *wire.Publication) {
				dir := copied(t, best)
				spoil(t, filepath.Join(dir, wire.WeightsFile))
				pub.Checkpoint.URI = wire.LocalURI(dir)
			},
			code:   wire.ExitData,
			reason: "DamagedCheckpoint",
			say:    "weights.safetensors has the sha256",
		},
		"a changed manifest": {
			prepare: func(t *testing.T, pub *wire.Publication) {
				dir := copied(t, best)
				spoil(t, filepath.Join(dir, wire.ManifestFile))
				pub.Checkpoint.URI = wire.LocalURI(dir)
			},
			code:   wire.ExitData,
			reason: "DamagedCheckpoint",
			say:    "manifest.json has the digest",
		},
		"a recorded prediction that the model does not repeat": {
			prepare: func(t *testing.T, pub *wire.Publication) {
				withManifest(t, pub, copied(t, best), func(m *wire.Manifest) { m.Golden[2].Probability += 2e-5 })
			},
			code:   wire.ExitData,
			reason: "ReplayFailed",
			say:    "is not published",
		},
		"another threshold than that of the recorded decisions": {
			prepare: func(t *testing.T, pub *wire.Publication) {
				withManifest(t, pub, copied(t, best), func(m *wire.Manifest) { m.Calibration.Threshold = 50 })
			},
			code:   wire.ExitData,
			reason: "ReplayFailed",
			say:    "is not published",
		},
		"a resume checkpoint": {
			prepare: func(t *testing.T, pub *wire.Publication) {
				*pub = publication(t, strings.TrimPrefix(pub.Registry, "file://"), resume[0], 1)
			},
			code:   wire.ExitData,
			reason: "BadData",
			say:    "a best checkpoint is needed",
		},
		"a checkpoint that does not exist": {
			prepare: func(t *testing.T, pub *wire.Publication) { pub.Checkpoint.URI += "-gone" },
			code:    wire.ExitNoInput,
			reason:  "NoInput",
			say:     "no such file",
		},
		"a registry that is not a directory": {
			prepare: func(t *testing.T, pub *wire.Publication) { pub.Registry = wire.LocalURI(noRegistry) },
			code:    wire.ExitStore,
			reason:  "StoreFailed",
			say:     "write to the registry",
		},
		"a number below 1": {
			prepare: func(t *testing.T, pub *wire.Publication) { pub.Number = 0 },
			code:    wire.ExitSettings,
			reason:  "BadSettings",
			say:     "number 0 is below 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			registry := filepath.Join(t.TempDir(), "models")
			pub := publication(t, registry, best, 1)
			test.prepare(t, &pub)
			p := publishPod(t, pub)
			p.expect(t, test.code, test.reason, test.say)
			if left := names(t, filepath.Join(registry, "eraser")); len(left) > 0 {
				t.Errorf("the model's directory holds %v", left)
			}
		})
	}
}

// The convolutions of a GPU and of a CPU differ by more than those of two CPUs.
func TestTheToleranceOfAReplayFollowsTheDevice(t *testing.T) {
	best := fitted(t)
	for name, test := range map[string]struct {
		device string
		off    float64 // error of the recorded probability
		code   int
	}{
		"a GPU, as much as TF32 rounds": {"gpu", 2e-3, 0},
		"a GPU, more than TF32 rounds":  {"gpu", 1e-2, wire.ExitData},
		"a CPU, as much as TF32 rounds": {"cpu", 2e-3, wire.ExitData},
		"an unnamed device, as much":    {"", 2e-3, wire.ExitData},
	} {
		dir := copied(t, best)
		pub := publication(t, filepath.Join(t.TempDir(), "models"), best, 1)
		pub.Checkpoint = wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: rewrite(t, dir, func(m *wire.Manifest) {
			m.Numerics.Device = test.device
			m.Golden[2].Probability += test.off
		})}
		if p := publishPod(t, pub); p.code != test.code {
			t.Errorf("%s: exit %d, result %+v, want exit %d", name, p.code, p.result, test.code)
		}
	}
}

func TestAModelTrainedInBFloat16IsPublished(t *testing.T) {
	data, err := easySet()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	p := runVerb(t, fitArgs(data, out, "--epochs", "1", "--batch-size", "16", "--precision", "bfloat16")...)
	best, globErr := filepath.Glob(filepath.Join(out, "fit/d18/*/best-*"))
	if p.code != 0 || globErr != nil || len(best) != 1 {
		t.Fatalf("fit: exit %d, bests %v\n%s", p.code, best, p.log)
	}
	if p := publishPod(t, publication(t, filepath.Join(out, "models"), best[0], 1)); p.code != 0 {
		t.Errorf("exit %d, result %+v", p.code, p.result)
	}
}

// spoil changes one bit near the end of a file.
func spoil(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-3] ^= 4
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes a checkpoint's manifest and returns the manifest's new digest.
func rewrite(t *testing.T, dir string, change func(*wire.Manifest)) (digest string) {
	t.Helper()
	file := filepath.Join(dir, wire.ManifestFile)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.DecodeManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	change(&m)
	if b, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return wire.Digest(b)
}

func TestPredictGivesTheFiguresOfTraining(t *testing.T) {
	best, registry := fitted(t), filepath.Join(t.TempDir(), "models")
	data, _ := easySet()
	if p := runVerb(t, "publish", "--checkpoint", best, "--registry", registry, "--model", "eraser"); p.code != 0 {
		t.Fatalf("publish: exit %d\n%s", p.code, p.log)
	}
	model := filepath.Join(registry, "eraser")
	p := runVerb(t, "predict", "--model", model, "--data", data, "--split", "test", "-o", "jsonl")
	if p.code != 0 {
		t.Fatalf("exit %d\n%s", p.code, p.log)
	}
	row := regexp.MustCompile(`(?m)^test +([0-9.]+) +([0-9.]+ to [0-9.]+) .* (\d+) +scored once`)
	trained := row.FindStringSubmatch(fitPod.out)
	if trained == nil {
		t.Fatalf("fit did not print metrics of the test split:\n%s", fitPod.out)
	}
	figures := fmt.Sprintf("%s samples: AUC-PR %s (%s;", trained[3], trained[1], trained[2])
	if !strings.Contains(p.log, figures) {
		t.Errorf("fit measured %q on the test split, predict %q", figures, p.log)
	}
	for _, line := range strings.Split(strings.TrimSpace(p.out), "\n") {
		var one prediction
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if (one.Decision == "defect") != (float64(one.Logit) >= one.Threshold) || one.Label == "" || one.ID == "" {
			t.Errorf("a decision that contradicts logit and threshold, or no label or id: %s", line)
		}
	}
	all := runVerb(t, "predict", "--model", model, "--data", data)
	const header = "id,package,probability,decision,logit,threshold,label,model\n"
	if lines := strings.Count(all.out, "\n"); all.code != 0 || lines != 61 || !strings.HasPrefix(all.out, header) {
		t.Errorf("all samples: exit %d, %d lines", all.code, lines)
	}

	other := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(other, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	config := read(t, filepath.Join(other, "dataset.yaml"))
	config = strings.ReplaceAll(config, "[GRAY, NORMAL]", "[NORMAL, GRAY]")
	if err := os.WriteFile(filepath.Join(other, "dataset.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		say  string
	}{
		"channels in another order": {
			args: []string{"--model", model, "--data", other},
			code: wire.ExitData,
			say:  "the model takes [GRAY NORMAL], in this order",
		},
		"a model that does not exist": {
			args: []string{"--model", registry + "/none", "--data", data},
			code: wire.ExitNoInput,
			say:  "there is no model",
		},
		"a directory without models": {
			args: []string{"--model", other, "--data", data},
			code: wire.ExitNoInput,
			say:  "neither a version",
		},
		"data that does not exist": {
			args: []string{"--model", model, "--data", registry + "/none"},
			code: wire.ExitNoInput,
			say:  "does not exist",
		},
		"an unknown split": {
			args: []string{"--model", model, "--data", data, "--split", "holdout"},
			code: wire.ExitSettings,
			say:  "must be one of",
		},
	} {
		t.Run(name, func(t *testing.T) {
			runVerb(t, append([]string{"predict"}, test.args...)...).expectLog(t, test.code, test.say)
		})
	}
	spoil(t, filepath.Join(model, "1/variables/variables.data-00000-of-00001"))
	damaged := runVerb(t, "predict", "--model", model, "--data", data)
	damaged.expectLog(t, wire.ExitData, "not as plumbline-trainer published it")
}
