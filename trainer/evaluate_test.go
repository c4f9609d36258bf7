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

func TestEvaluateSaysWhatTrainingSaidAndLeavesAReport(t *testing.T) {
	best := fitted(t)
	data, _ := easySet()
	out := filepath.Join(t.TempDir(), "new", "evaluation")
	p := runPod(t, []string{"evaluate", "--checkpoint", best, "--data", data, "--out", out}, nil, "", nil)
	if p.code != 0 {
		t.Fatalf("exit %d\n%s", p.code, p.log)
	}
	figures := regexp.MustCompile(`(?m)^(validation|test) +[0-9. to]+`)
	if got, want := figures.FindAllString(p.out, -1), figures.FindAllString(fitPod.out, -1); len(want) != 2 || !slices.Equal(got, want) {
		t.Errorf("training said %q, evaluate says %q", want, got)
	}
	if got := names(t, out); !slices.Equal(got, []string{metricsFile, predictionsFile, pageFile}) {
		t.Errorf("it left %v", got)
	}

	html := read(t, filepath.Join(out, pageFile))
	ref, err := checkpoint.RefOf(best)
	if err != nil {
		t.Fatal(err)
	}
	for _, say := range []string{
		"AUC-PR during training", "Loss during training", "not used for training or selection", ref.Digest,
	} {
		if !strings.Contains(html, say) {
			t.Errorf("the report does not say %q", say)
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
		if m.Metrics == nil || m.Kind == "epoch" && m.TrainLoss == 0 || m.Kind == "evaluation" && m.Metrics.Samples != len(rows)-1 {
			t.Errorf("a line that says too little: %s", line)
		}
	}
	epoch := regexp.MustCompile(`best-e0*(\d+)`).FindStringSubmatch(best)[1]
	if want := []string{"epoch:validation:1", "epoch:validation:2", "evaluation:test:" + epoch}; !slices.Equal(kinds, want) {
		t.Errorf("metrics.jsonl holds %v, want %v", kinds, want)
	}
}

func TestEvaluateForPrograms(t *testing.T) {
	best := fitted(t)
	data, _ := easySet()
	p := runPod(t, []string{"evaluate", "--checkpoint", best, "--data", data, "--split", "validation", "-o", "json"}, nil, "", nil)
	var answer struct {
		Metrics, Validation wire.Metrics
		Depth               int
		Confusion           map[string]int
	}
	if err := json.Unmarshal([]byte(p.out), &answer); p.code != 0 || err != nil {
		t.Fatalf("exit %d, error %v\n%s\n%s", p.code, err, p.log, p.out)
	}
	// What was selected on validation is measured there again, in another process, to the last digit.
	if answer.Metrics != answer.Validation || answer.Depth != 18 {
		t.Errorf("depth %d: the manifest says %+v, evaluate %+v", answer.Depth, answer.Validation, answer.Metrics)
	}
	sum := 0
	for _, n := range answer.Confusion {
		sum += n
	}
	if sum != answer.Metrics.Samples {
		t.Errorf("%v are not %d samples", answer.Confusion, answer.Metrics.Samples)
	}
}

func TestWhatCannotBeEvaluatedIsRefusedInWords(t *testing.T) {
	best := fitted(t)
	data, _ := easySet()
	resume, err := filepath.Glob(filepath.Join(filepath.Dir(best), "resume-*"))
	if err != nil || len(resume) == 0 {
		t.Fatal("no resume checkpoint", err)
	}
	damaged := copied(t, best)
	spoil(t, filepath.Join(damaged, wire.WeightsFile))
	changed := copied(t, data)
	if err := os.WriteFile(filepath.Join(changed, "images/GRAY/e0003.png"), []byte(read(t, filepath.Join(data, "images/GRAY/e0004.png"))), 0o644); err != nil {
		t.Fatal(err)
	}
	flat := filepath.Join(t.TempDir(), "flat")
	if err := os.WriteFile(flat, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		say  string
	}{
		"images that changed since training": {[]string{"evaluate", "--checkpoint", best, "--data", changed}, wire.ExitData, "--split all takes every sample"},
		"an unknown split":                   {[]string{"evaluate", "--checkpoint", best, "--data", data, "--split", "holdout"}, wire.ExitSettings, "must be one of"},
		"an unknown format":                  {[]string{"evaluate", "--checkpoint", best, "--data", data, "-o", "yaml"}, wire.ExitSettings, "neither table nor json"},
		"a resume checkpoint":                {[]string{"evaluate", "--checkpoint", resume[0], "--data", data}, wire.ExitData, "is a resume checkpoint"},
		"no checkpoint":                      {[]string{"evaluate", "--checkpoint", best + "-none", "--data", data}, wire.ExitNoInput, "there is no checkpoint"},
		"a damaged checkpoint":               {[]string{"evaluate", "--checkpoint", damaged, "--data", data}, wire.ExitData, "weights.safetensors has the sha256"},
		"no data":                            {[]string{"evaluate", "--checkpoint", best, "--data", data + "-none"}, wire.ExitNoInput, "is not there"},
		"a place that cannot be written":     {[]string{"evaluate", "--checkpoint", best, "--data", data, "--out", flat}, wire.ExitStore, "not a directory"},
		"no data named":                      {[]string{"evaluate", "--checkpoint", best}, wire.ExitSettings, `"data" not set`},
		"no sample of that name":             {[]string{"explain", "--checkpoint", best, "--data", data, "--id", "e0001,none", "--out", flat + "-x"}, wire.ExitNoInput, "no sample is called none; the ids are the first column of labels.csv, such as e0001"},
		"an export over something":           {[]string{"export", "--checkpoint", best, "--out", data}, wire.ExitSettings, "is there already and is not written over"},
		"an export of a damaged checkpoint":  {[]string{"export", "--checkpoint", damaged, "--out", flat + "-model"}, wire.ExitData, "weights.safetensors has the sha256"},
	} {
		p := runPod(t, c.args, nil, "", nil)
		if p.code != c.code || !strings.Contains(p.log, c.say) {
			t.Errorf("%s: exit %d, %q, want exit %d, …%s…", name, p.code, p.log, c.code, c.say)
		}
	}
	if left := names(t, filepath.Dir(flat)); !slices.Equal(left, []string{"flat"}) {
		t.Errorf("refusals left %v", left)
	}
	if p := runPod(t, []string{"evaluate", "--checkpoint", best, "--data", changed, "--split", "all"}, nil, "", nil); p.code != 0 || !strings.Contains(p.out, "some of it was trained on") {
		t.Errorf("all samples of other data: exit %d\n%s", p.code, p.log)
	}
}

func TestExplainDrawsEverySampleOnce(t *testing.T) {
	best, out := fitted(t), filepath.Join(t.TempDir(), "explained")
	data, _ := easySet()
	p := runPod(t, []string{"explain", "--checkpoint", best, "--data", data, "--id", "e0002,e0001", "--id", "e0002", "--out", out}, nil, "", nil)
	if p.code != 0 || strings.Count(p.out, "\n") != 3 {
		t.Fatalf("exit %d\n%s%s", p.code, p.out, p.log)
	}
	if got := names(t, out); !slices.Equal(got, []string{"e0001.png", "e0002.png"}) {
		t.Fatalf("it drew %v", got)
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
	if size := picture.Bounds().Size(); size.X != 2*128+4 || size.Y != 3*128+8 { // two channels of 32 pixels, four times as large
		t.Errorf("the picture has %v pixels", size)
	}
}

// What is exported answers as the checkpoint does, whether it is asked about a data set or about single files.
func TestAnExportAnswersAsTheCheckpointDoes(t *testing.T) {
	best, dir := fitted(t), t.TempDir()
	data, _ := easySet()
	model, evaluation := filepath.Join(dir, "eraser/1"), filepath.Join(dir, "evaluation")
	if p := runPod(t, []string{"export", "--checkpoint", best, "--out", model}, nil, "", nil); p.code != 0 || !strings.Contains(p.out, "predict --model "+model) {
		t.Fatalf("export: exit %d\n%s%s", p.code, p.out, p.log)
	}
	if left := names(t, filepath.Dir(model)); !slices.Equal(left, []string{"1"}) {
		t.Errorf("beside the model lie %v", left)
	}
	if p := runPod(t, []string{"evaluate", "--checkpoint", best, "--data", data, "--split", "all", "--out", evaluation}, nil, "", nil); p.code != 0 {
		t.Fatalf("evaluate: exit %d\n%s", p.code, p.log)
	}
	want, err := csv.NewReader(strings.NewReader(read(t, filepath.Join(evaluation, predictionsFile)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "list.csv")
	text := "id,GRAY,NORMAL\n"
	for _, row := range want[1:] {
		text += fmt.Sprintf("%s,%s,%s\n", row[0], filepath.Join(data, "images/GRAY", row[0]+".png"), filepath.Join(data, "images/NORMAL", row[0]+".png"))
	}
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"a data set": {"--data", data}, "a list of files": {"--list", list}} {
		p := runPod(t, append([]string{"predict", "--model", filepath.Dir(model), "-o", "csv"}, args...), nil, "", nil)
		got, err := csv.NewReader(strings.NewReader(p.out)).ReadAll()
		if p.code != 0 || err != nil || len(got) != len(want) {
			t.Fatalf("%s: exit %d, %d rows, error %v\n%s", name, p.code, len(got), err, p.log)
		}
		for i := range got[1:] {
			g, w := got[i+1], want[i+1]
			label := map[string]string{"a data set": w[6], "a list of files": ""}[name]
			if g[0] != w[0] || g[3] != w[3] || g[5] != w[5] || g[6] != label || math.Abs(float(t, g[2])-float(t, w[2])) > toleranceOf(wire.Numerics{}).probability || !strings.HasPrefix(g[7], "sha256:") {
				t.Errorf("%s: the export says %v, the checkpoint %v", name, g, w)
			}
		}
	}
	for name, c := range map[string]struct {
		args []string
		code int
		say  string
	}{
		"a list and a data set":    {[]string{"--data", data, "--list", list}, wire.ExitSettings, "data list"},
		"neither":                  {nil, wire.ExitSettings, "data list"},
		"a list that is not there": {[]string{"--list", list + "-none"}, wire.ExitNoInput, "is not there"},
		"a range upside down":      {[]string{"--list", list, "--range16", "5,1"}, wire.ExitSettings, "the lower one first"},
	} {
		p := runPod(t, append([]string{"predict", "--model", model}, c.args...), nil, "", nil)
		if p.code != c.code || !strings.Contains(p.log, c.say) {
			t.Errorf("%s: exit %d, %q, want exit %d, …%s…", name, p.code, p.log, c.code, c.say)
		}
	}
}

// A pod's trial leaves what evaluate would leave.
func TestATrialsReportIsEvaluates(t *testing.T) {
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
	if err := writeEvaluation(context.Background(), model, testFold(data, func() {}), ref, writerDir, log); err != nil {
		t.Fatal(err)
	}
	path, _ := wire.LocalPath(trial.Dataset.URI)
	byHand := filepath.Join(t.TempDir(), "by-hand")
	if p := runPod(t, []string{"evaluate", "--checkpoint", best, "--data", path, "--out", byHand}, nil, "", nil); p.code != 0 {
		t.Fatalf("exit %d\n%s", p.code, p.log)
	}
	for _, name := range names(t, byHand) {
		if read(t, filepath.Join(byHand, name)) != read(t, filepath.Join(writerDir, evaluationDir, name)) {
			t.Errorf("%s is another one", name)
		}
	}
}

func TestEveryVerbOfTheTrainerHasAnExample(t *testing.T) {
	for _, verb := range []string{"fit", "evaluate", "explain", "export", "publish", "predict", "prune"} {
		p := runPod(t, []string{verb, "--help"}, nil, "", nil)
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
