package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image/png"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

func TestEvaluateGivesTheFiguresOfTrainingAndWritesAPage(t *testing.T) {
	best := fitted(t)
	data, _ := easySet()
	out := filepath.Join(t.TempDir(), "new", "evaluation")
	p := runVerb(t, "evaluate", "--checkpoint", best, "--data", data, "--out", out)
	if p.code != 0 {
		t.Fatalf("exit %d\n%s", p.code, p.log)
	}
	figures := regexp.MustCompile(`(?m)^(validation|test) +[0-9. to]+`)
	got, want := figures.FindAllString(p.out, -1), figures.FindAllString(fitPod.out, -1)
	if len(want) != 2 || !slices.Equal(got, want) {
		t.Errorf("fit prints %q, evaluate prints %q", want, got)
	}
	if got := names(t, out); !slices.Equal(got, []string{metricsFile, predictionsFile, pageFile}) {
		t.Errorf("evaluate has written %v", got)
	}

	html := read(t, filepath.Join(out, pageFile))
	ref, err := checkpoint.RefOf(best)
	if err != nil {
		t.Fatal(err)
	}
	for _, say := range []string{
		"AUC-PR during training",
		"Loss during training",
		"not used for training or selection",
		ref.Digest,
	} {
		if !strings.Contains(html, say) {
			t.Errorf("the page does not say %q", say)
		}
	}
	table := read(t, filepath.Join(out, predictionsFile))
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) < 5 || rows[1][7] != ref.Digest {
		t.Fatalf("%d rows of predictions, error %v:\n%s", len(rows), err, table)
	}

	var kinds []string
	for line := range strings.Lines(read(t, filepath.Join(out, metricsFile))) {
		var m metricsLine
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, fmt.Sprintf("%s:%s:%d", m.Kind, m.Split, m.Epoch))
		switch {
		case m.Metrics == nil:
			t.Errorf("a line without metrics: %s", line)
		case m.Kind == "epoch" && m.TrainLoss == 0:
			t.Errorf("an epoch without loss: %s", line)
		case m.Kind == "evaluation" && m.Metrics.Samples != len(rows)-1:
			t.Errorf("an evaluation of other samples than the %d predictions: %s", len(rows)-1, line)
		}
	}
	epoch := regexp.MustCompile(`best-e0*(\d+)`).FindStringSubmatch(best)[1]
	wantKinds := []string{"epoch:validation:1", "epoch:validation:2", "evaluation:test:" + epoch}
	if !slices.Equal(kinds, wantKinds) {
		t.Errorf("metrics.jsonl holds %v, want %v", kinds, wantKinds)
	}
}

func TestEvaluatePrintsJSON(t *testing.T) {
	best := fitted(t)
	data, _ := easySet()
	p := runVerb(t, "evaluate", "--checkpoint", best, "--data", data, "--split", "validation", "-o", "json")
	var answer struct {
		Metrics, Validation wire.Metrics
		Depth               int
		Confusion           map[string]int
	}
	if err := json.Unmarshal([]byte(p.out), &answer); p.code != 0 || err != nil {
		t.Fatalf("exit %d, error %v\n%s\n%s", p.code, err, p.log, p.out)
	}
	// Another process measures the same metrics on the validation split as training did, to the last digit.
	if answer.Metrics != answer.Validation || answer.Depth != 18 {
		t.Errorf("depth %d: training measured %+v, evaluate %+v", answer.Depth, answer.Validation, answer.Metrics)
	}
	sum := 0
	for _, n := range answer.Confusion {
		sum += n
	}
	if sum != answer.Metrics.Samples {
		t.Errorf("the confusion %v is not of %d samples", answer.Confusion, answer.Metrics.Samples)
	}
}

func TestEvaluateExplainAndExportSayWhyTheyFail(t *testing.T) {
	best := fitted(t)
	data, _ := easySet()
	resume, err := filepath.Glob(filepath.Join(filepath.Dir(best), "resume-*"))
	if err != nil || len(resume) == 0 {
		t.Fatal("no resume checkpoint", err)
	}
	damaged := copied(t, best)
	spoil(t, filepath.Join(damaged, wire.WeightsFile))
	changed := copied(t, data)
	other := []byte(read(t, filepath.Join(data, "images/GRAY/e0004.png")))
	if err := os.WriteFile(filepath.Join(changed, "images/GRAY/e0003.png"), other, 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file") // where a directory should be
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		say  string // a part of the error
	}{
		"images that changed since training": {
			args: []string{"evaluate", "--checkpoint", best, "--data", changed},
			code: wire.ExitData,
			say:  "--split all takes every sample",
		},
		"an unknown split": {
			args: []string{"evaluate", "--checkpoint", best, "--data", data, "--split", "holdout"},
			code: wire.ExitSettings,
			say:  "must be one of",
		},
		"an unknown format": {
			args: []string{"evaluate", "--checkpoint", best, "--data", data, "-o", "yaml"},
			code: wire.ExitSettings,
			say:  `--output "yaml" must be table or json`,
		},
		"a resume checkpoint": {
			args: []string{"evaluate", "--checkpoint", resume[0], "--data", data},
			code: wire.ExitData,
			say:  "is a resume checkpoint",
		},
		"a checkpoint that does not exist": {
			args: []string{"evaluate", "--checkpoint", best + "-none", "--data", data},
			code: wire.ExitNoInput,
			say:  "there is no checkpoint",
		},
		"a damaged checkpoint": {
			args: []string{"evaluate", "--checkpoint", damaged, "--data", data},
			code: wire.ExitData,
			say:  "weights.safetensors has the sha256",
		},
		"data that does not exist": {
			args: []string{"evaluate", "--checkpoint", best, "--data", data + "-none"},
			code: wire.ExitNoInput,
			say:  "does not exist",
		},
		"an output directory that is a file": {
			args: []string{"evaluate", "--checkpoint", best, "--data", data, "--out", file},
			code: wire.ExitStore,
			say:  "not a directory",
		},
		"no --data": {
			args: []string{"evaluate", "--checkpoint", best},
			code: wire.ExitSettings,
			say:  `"data" not set`,
		},
		"an unknown sample": {
			args: []string{"explain", "--checkpoint", best, "--data", data, "--id", "e0001,none", "--out", file + "-x"},
			code: wire.ExitNoInput,
			say:  "no sample has the id none; the ids are the first column of labels.csv, such as e0001",
		},
		"an export into a directory that exists": {
			args: []string{"export", "--checkpoint", best, "--out", data},
			code: wire.ExitSettings,
			say:  "exists already and is not overwritten",
		},
		"an export of a damaged checkpoint": {
			args: []string{"export", "--checkpoint", damaged, "--out", file + "-model"},
			code: wire.ExitData,
			say:  "weights.safetensors has the sha256",
		},
	} {
		t.Run(name, func(t *testing.T) {
			runVerb(t, test.args...).expectLog(t, test.code, test.say)
		})
	}
	if left := names(t, filepath.Dir(file)); !slices.Equal(left, []string{"file"}) {
		t.Errorf("the failed verbs have left %v", left)
	}
	p := runVerb(t, "evaluate", "--checkpoint", best, "--data", changed, "--split", "all")
	if p.code != 0 || !strings.Contains(p.out, "some of it was trained on") {
		t.Errorf("all samples of other data: exit %d\n%s", p.code, p.log)
	}
}

func TestExplainDrawsEverySampleOnce(t *testing.T) {
	best, out := fitted(t), filepath.Join(t.TempDir(), "explained")
	data, _ := easySet()
	p := runVerb(t, "explain", "--checkpoint", best, "--data", data,
		"--id", "e0002,e0001", "--id", "e0002", "--out", out)
	if p.code != 0 || strings.Count(p.out, "\n") != 3 {
		t.Fatalf("exit %d\n%s%s", p.code, p.out, p.log)
	}
	if got := names(t, out); !slices.Equal(got, []string{"e0001.png", "e0002.png"}) {
		t.Fatalf("explain has written %v", got)
	}
	f, err := os.Open(filepath.Join(out, "e0001.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	// Two channels side by side, of 32 pixels that are drawn four times as large, in three rows.
	if size := picture.Bounds().Size(); size.X != 2*128+4 || size.Y != 3*128+8 {
		t.Errorf("the picture has %v pixels", size)
	}
}

// An exported model gives the same predictions as its checkpoint, about a data set and about a list of files.
func TestAnExportedModelAnswersAsItsCheckpoint(t *testing.T) {
	best, dir := fitted(t), t.TempDir()
	data, _ := easySet()
	model, evaluation := filepath.Join(dir, "eraser/1"), filepath.Join(dir, "evaluation")
	p := runVerb(t, "export", "--checkpoint", best, "--out", model)
	if p.code != 0 || !strings.Contains(p.out, "predict --model "+model) {
		t.Fatalf("export: exit %d\n%s%s", p.code, p.out, p.log)
	}
	if left := names(t, filepath.Dir(model)); !slices.Equal(left, []string{"1"}) {
		t.Errorf("the directory of the model holds %v, want 1 alone", left)
	}
	p = runVerb(t, "evaluate", "--checkpoint", best, "--data", data, "--split", "all", "--out", evaluation)
	if p.code != 0 {
		t.Fatalf("evaluate: exit %d\n%s", p.code, p.log)
	}
	want, err := csv.NewReader(strings.NewReader(read(t, filepath.Join(evaluation, predictionsFile)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "list.csv")
	text := "id,GRAY,NORMAL\n"
	for _, row := range want[1:] {
		image := row[0] + ".png"
		gray, normal := filepath.Join(data, "images/GRAY", image), filepath.Join(data, "images/NORMAL", image)
		text += fmt.Sprintf("%s,%s,%s\n", row[0], gray, normal)
	}
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"a data set": {"--data", data}, "a list of files": {"--list", list}} {
		p := runVerb(t, append([]string{"predict", "--model", filepath.Dir(model), "-o", "csv"}, args...)...)
		got, err := csv.NewReader(strings.NewReader(p.out)).ReadAll()
		if p.code != 0 || err != nil || len(got) != len(want) {
			t.Fatalf("%s: exit %d, %d rows, error %v\n%s", name, p.code, len(got), err, p.log)
		}
		for i := range got[1:] {
			g, w := got[i+1], want[i+1]
			label := map[string]string{"a data set": w[6], "a list of files": ""}[name]
			// The columns: id, package, probability, decision, logit, threshold, label, model.
			same := g[0] == w[0] && g[3] == w[3] && g[5] == w[5] && g[6] == label && strings.HasPrefix(g[7], "sha256:")
			off := math.Abs(float(t, g[2]) - float(t, w[2]))
			if !same || off > toleranceOf(wire.Numerics{}).probability {
				t.Errorf("%s: the export predicts %v, the checkpoint %v", name, g, w)
			}
		}
	}
	for name, test := range map[string]struct {
		args []string
		code int
		say  string // a part of the error
	}{
		"a list and a data set": {
			args: []string{"--data", data, "--list", list},
			code: wire.ExitSettings,
			say:  "data list",
		},
		"neither a list nor a data set": {
			code: wire.ExitSettings,
			say:  "data list",
		},
		"a list that does not exist": {
			args: []string{"--list", list + "-none"},
			code: wire.ExitNoInput,
			say:  "does not exist",
		},
		"a range with the higher value first": {
			args: []string{"--list", list, "--range16", "5,1"},
			code: wire.ExitSettings,
			say:  "the lower one first",
		},
	} {
		t.Run(name, func(t *testing.T) {
			runVerb(t, append([]string{"predict", "--model", model}, test.args...)...).expectLog(t, test.code, test.say)
		})
	}
}

// At the end of a trial its pod writes the same files as evaluate.
func TestATrialWritesTheFilesOfEvaluate(t *testing.T) {
	best, writerDir := fitted(t), t.TempDir()
	c, ref, err := openBest(best)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	trial := c.Manifest.Settings
	data, _, err := loadData(context.Background(), trial, log, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	model, err := openModel(c, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	test := testSet(data, func() {})
	if err := writeEvaluation(context.Background(), model, test, ref, writerDir, log); err != nil {
		t.Fatal(err)
	}
	path, _ := wire.LocalPath(trial.Dataset.URI)
	byHand := filepath.Join(t.TempDir(), "by-hand")
	if p := runVerb(t, "evaluate", "--checkpoint", best, "--data", path, "--out", byHand); p.code != 0 {
		t.Fatalf("exit %d\n%s", p.code, p.log)
	}
	for _, name := range names(t, byHand) {
		if read(t, filepath.Join(byHand, name)) != read(t, filepath.Join(writerDir, evaluationDir, name)) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestEveryVerbOfTheTrainerHasAnExample(t *testing.T) {
	for _, verb := range []string{"fit", "evaluate", "explain", "export", "publish", "predict", "prune"} {
		p := runVerb(t, verb, "--help")
		if p.code != 0 || !strings.Contains(p.out, "Examples:\n  p") {
			t.Errorf("%s --help: exit %d\n%s", verb, p.code, p.out)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func float(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
