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

// fitted trains one depth by hand, for all tests here, and says where its best checkpoint is.
func fitted(t *testing.T) (best string) {
	t.Helper()
	fitOnce.Do(func() {
		data, err := easySet()
		if err != nil {
			t.Fatal(err)
		}
		fitPod = runPod(t, []string{"fit", "--data", data, "--out", filepath.Join(shared, "out"), "--depth", "18", "--epochs", "2", "--batch-size", "8", "--image-size", "32"}, nil, "", nil)
	})
	if fitPod.code != 0 {
		t.Fatalf("fit: exit %d\n%s", fitPod.code, fitPod.log)
	}
	m := regexp.MustCompile(`(?m)^best +(.*)$`).FindStringSubmatch(fitPod.out)
	if m == nil {
		t.Fatalf("the summary does not say where the best is:\n%s", fitPod.out)
	}
	return m[1]
}

var (
	fitOnce sync.Once
	fitPod  pod
)

func publication(t *testing.T, registry, dir string, number int64) wire.Publication {
	t.Helper()
	ref, err := checkpoint.RefOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Publication{
		Version: wire.Version, Namespace: "default", Model: "eraser", Number: number, Registry: wire.LocalURI(registry), Checkpoint: ref,
		Result: filepath.Join(t.TempDir(), "termination-log"),
	}
}

func publishPod(t *testing.T, pub wire.Publication) pod {
	t.Helper()
	text, err := json.Marshal(pub)
	if err != nil {
		t.Fatal(err)
	}
	return runPod(t, []string{"publish"}, map[string]string{wire.EnvPublication: string(text)}, pub.Result, nil)
}

// copied is a checkpoint's copy that a test may spoil.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestFitStartedAgainHasNothingLeftToDo(t *testing.T) {
	fitted(t)
	data, _ := easySet()
	again := []string{"fit", "--data", data, "--out", filepath.Join(shared, "out"), "--depth", "18", "--epochs", "2", "--batch-size", "8", "--image-size", "32"}
	p := runPod(t, again, nil, "", nil)
	if p.code != 0 || !strings.Contains(p.out, "were selected on it") {
		t.Errorf("exit %d\n%s%s", p.code, p.log, p.out)
	}
	if test := regexp.MustCompile(`(?m)^test.*$`); test.FindString(p.out) == "" || test.FindString(p.out) != test.FindString(fitPod.out) {
		t.Errorf("the test split was scored as\n%s\nat first, and now as\n%s", test.FindString(fitPod.out), test.FindString(p.out))
	}
	p = runPod(t, append(again, "--learning-rate", "0.01"), nil, "", nil)
	if p.code != wire.ExitSettings || !strings.Contains(p.log, "trained on other settings") {
		t.Errorf("with another learning rate: exit %d\n%s", p.code, p.log)
	}
}

func TestPublishOnceWhole(t *testing.T) {
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
		t.Fatalf("exit %d, last word %+v\n%s", first.code, first.result, first.log)
	}
	if got := names(t, filepath.Join(registry, "eraser")); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the model's directory holds %v, want version 1 alone", got)
	}
	c, digest, err := readCard(version)
	if err != nil || digest != first.result.Digest || c.Checkpoint != pub.Checkpoint.Digest || c.Manifest.Trial != "d18" {
		t.Errorf("the card: checkpoint %s, digest %s, error %v", c.Checkpoint, digest, err)
	}
	if again := publishPod(t, pub); again.code != 0 || again.result.Digest != first.result.Digest {
		t.Errorf("a second Job for the same: exit %d, last word %+v", again.code, again.result)
	}

	other := pub
	other.Checkpoint.Digest = "sha256:" + strings.Repeat("0", 64)
	if p := publishPod(t, other); p.code != wire.ExitData || !strings.Contains(p.result.Message, "another checkpoint") {
		t.Errorf("the number is taken: exit %d, last word %+v", p.code, p.result)
	}
	if err := os.WriteFile(filepath.Join(version, "variables/variables.index"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if p := publishPod(t, pub); p.code != wire.ExitData || !strings.Contains(p.result.Message, "variables.index has the sha256") {
		t.Errorf("what is there was tampered with: exit %d, last word %+v", p.code, p.result)
	}
}

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

func TestWhatMustNotBePublishedLeavesNothing(t *testing.T) {
	best := fitted(t)
	resume, err := filepath.Glob(filepath.Join(filepath.Dir(best), "resume-*"))
	if err != nil || len(resume) == 0 {
		t.Fatalf("no resume checkpoint: %v", err)
	}
	noRegistry := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(noRegistry, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, pub *wire.Publication)
		code    int
		reason  string
		say     string
	}{
		"weights that were tampered with": {func(t *testing.T, pub *wire.Publication) {
			dir := copied(t, best)
			spoil(t, filepath.Join(dir, wire.WeightsFile))
			pub.Checkpoint.URI = wire.LocalURI(dir)
		}, wire.ExitData, "DamagedCheckpoint", "weights.safetensors has the sha256"},
		"a manifest that was tampered with": {func(t *testing.T, pub *wire.Publication) {
			dir := copied(t, best)
			spoil(t, filepath.Join(dir, wire.ManifestFile))
			pub.Checkpoint.URI = wire.LocalURI(dir)
		}, wire.ExitData, "DamagedCheckpoint", "manifest.json has the digest"},
		"a recorded prediction that the model does not give": {func(t *testing.T, pub *wire.Publication) {
			dir := copied(t, best)
			pub.Checkpoint = wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: rewrite(t, dir, func(m *wire.Manifest) { m.Golden[2].Probability += 2e-5 })}
		}, wire.ExitData, "ReplayFailed", "it is not published"},
		"another threshold than the recorded decisions had": {func(t *testing.T, pub *wire.Publication) {
			dir := copied(t, best)
			pub.Checkpoint = wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: rewrite(t, dir, func(m *wire.Manifest) { m.Calibration.Threshold = 50 })}
		}, wire.ExitData, "ReplayFailed", "it is not published"},
		"a resume checkpoint": {func(t *testing.T, pub *wire.Publication) {
			*pub = publication(t, strings.TrimPrefix(pub.Registry, "file://"), resume[0], 1)
		}, wire.ExitData, "BadData", "made from a best one"},
		"a checkpoint that is gone": {func(t *testing.T, pub *wire.Publication) { pub.Checkpoint.URI += "-gone" },
			wire.ExitNoInput, "NoInput", "no such file"},
		"a registry that cannot be written": {func(t *testing.T, pub *wire.Publication) { pub.Registry = wire.LocalURI(noRegistry) },
			wire.ExitStore, "StoreFailed", "the registry cannot be written"},
		"a number below 1": {func(t *testing.T, pub *wire.Publication) { pub.Number = 0 },
			wire.ExitSettings, "BadSettings", "number 0 is below 1"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := filepath.Join(t.TempDir(), "models")
			pub := publication(t, registry, best, 1)
			test.prepare(t, &pub)
			p := publishPod(t, pub)
			if p.code != test.code || p.result.Reason != test.reason || !strings.Contains(p.result.Message, test.say) {
				t.Errorf("exit %d, last word %+v, want exit %d, %s: …%s…", p.code, p.result, test.code, test.reason, test.say)
			}
			if left := names(t, filepath.Join(registry, "eraser")); len(left) > 0 {
				t.Errorf("the model's directory holds %v", left)
			}
		})
	}
}

// A GPU's convolutions and a CPU's differ by more than two CPUs' do.
func TestReplayKnowsWhichDeviceRecorded(t *testing.T) {
	best := fitted(t)
	for name, test := range map[string]struct {
		device string
		off    float64
		code   int
	}{
		"what TF32 rounds away on a GPU":  {"gpu", 2e-3, 0},
		"more than it could":              {"gpu", 1e-2, wire.ExitData},
		"as much between two CPUs":        {"cpu", 2e-3, wire.ExitData},
		"from a device that is not named": {"", 2e-3, wire.ExitData},
	} {
		dir := copied(t, best)
		pub := publication(t, filepath.Join(t.TempDir(), "models"), best, 1)
		pub.Checkpoint = wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: rewrite(t, dir, func(m *wire.Manifest) {
			m.Numerics.Device = test.device
			m.Golden[2].Probability += test.off
		})}
		if p := publishPod(t, pub); p.code != test.code {
			t.Errorf("%s: exit %d, last word %+v, want exit %d", name, p.code, p.result, test.code)
		}
	}
}

func TestAModelTrainedInBFloat16IsPublished(t *testing.T) {
	data, err := easySet()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	p := runPod(t, []string{"fit", "--data", data, "--out", out, "--depth", "18", "--epochs", "1", "--batch-size", "16", "--image-size", "32", "--precision", "bfloat16"}, nil, "", nil)
	best, globErr := filepath.Glob(filepath.Join(out, "fit/d18/*/best-*"))
	if p.code != 0 || globErr != nil || len(best) != 1 {
		t.Fatalf("fit: exit %d, bests %v\n%s", p.code, best, p.log)
	}
	if p := publishPod(t, publication(t, filepath.Join(out, "models"), best[0], 1)); p.code != 0 {
		t.Errorf("exit %d, last word %+v", p.code, p.result)
	}
}

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

// rewrite changes a manifest as somebody would who can make its digest right.
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

func TestPredictSaysWhatTrainingSaid(t *testing.T) {
	best, registry := fitted(t), filepath.Join(t.TempDir(), "models")
	data, _ := easySet()
	if p := runPod(t, []string{"publish", "--checkpoint", best, "--registry", registry, "--model", "eraser"}, nil, "", nil); p.code != 0 {
		t.Fatalf("publish: exit %d\n%s", p.code, p.log)
	}
	model := filepath.Join(registry, "eraser")
	p := runPod(t, []string{"predict", "--model", model, "--data", data, "--split", "test", "-o", "jsonl"}, nil, "", nil)
	if p.code != 0 {
		t.Fatalf("exit %d\n%s", p.code, p.log)
	}
	trained := regexp.MustCompile(`(?m)^test +([0-9.]+) +([0-9.]+ to [0-9.]+) .* (\d+) +scored once`).FindStringSubmatch(fitPod.out)
	if trained == nil || !strings.Contains(p.log, fmt.Sprintf("%s samples: AUC-PR %s (%s;", trained[3], trained[1], trained[2])) {
		t.Errorf("training scored the test split as %q; asked again, the model is worth %q", trained, p.log)
	}
	for _, line := range strings.Split(strings.TrimSpace(p.out), "\n") {
		var one prediction
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if (one.Decision == "defect") != (float64(one.Logit) >= one.Threshold) || one.Label == "" || one.ID == "" {
			t.Errorf("a decision that does not follow from logit and threshold: %s", line)
		}
	}
	all := runPod(t, []string{"predict", "--model", model, "--data", data}, nil, "", nil)
	if lines := strings.Count(all.out, "\n"); all.code != 0 || lines != 61 || !strings.HasPrefix(all.out, "id,package,probability,decision,logit,threshold,label,model\n") {
		t.Errorf("all samples: exit %d, %d lines", all.code, lines)
	}

	config := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(config, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(config, "dataset.yaml"))
	os.WriteFile(filepath.Join(config, "dataset.yaml"), []byte(strings.ReplaceAll(string(b), "[GRAY, NORMAL]", "[NORMAL, GRAY]")), 0o644)
	for name, test := range map[string]struct {
		args []string
		code int
		say  string
	}{
		"channels in another order":  {[]string{"--model", model, "--data", config}, wire.ExitData, "the model takes [GRAY NORMAL], in this order"},
		"no model":                   {[]string{"--model", registry + "/none", "--data", data}, wire.ExitNoInput, "there is no model"},
		"a directory without models": {[]string{"--model", config, "--data", data}, wire.ExitNoInput, "neither a version"},
		"no data":                    {[]string{"--model", model, "--data", registry + "/none"}, wire.ExitNoInput, "is not there"},
		"an unknown fold":            {[]string{"--model", model, "--data", data, "--split", "holdout"}, wire.ExitSettings, "must be one of"},
	} {
		p := runPod(t, append([]string{"predict"}, test.args...), nil, "", nil)
		if p.code != test.code || !strings.Contains(p.log, test.say) {
			t.Errorf("%s: exit %d, %q, want exit %d, …%s…", name, p.code, p.log, test.code, test.say)
		}
	}
	spoil(t, filepath.Join(model, "1/variables/variables.data-00000-of-00001"))
	if p := runPod(t, []string{"predict", "--model", model, "--data", data}, nil, "", nil); p.code != wire.ExitData || !strings.Contains(p.log, "not as it was published") {
		t.Errorf("a model that was tampered with: exit %d\n%s", p.code, p.log)
	}
}
