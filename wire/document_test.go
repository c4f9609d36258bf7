package wire

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func goodReport() Report {
	return Report{
		Version: Version, Kind: ReportEpoch,
		RunUID: "run", Trial: "d50", Depth: 50, Attempt: 1, Writer: "d50-a1-pod", Sequence: 2,
		Time: time.Unix(1_700_000_000, 0).UTC(), Epoch: 1, Epochs: 8, Step: 40, Weights: "raw",
		Metrics:    &Metrics{AUCPR: 0.7, AUCPRLow: 0.6, AUCPRHigh: 0.8, Threshold: -1, Loss: 0.4, Samples: 90},
		Checkpoint: &CheckpointRef{URI: "file:///store/best-e0001", Digest: "sha256:0"},
		Scores:     []SampleScore{{ID: "s1", Group: "p1", Label: 1, Logit: 0.3}},
	}
}

// goodManifest has all fields that a manifest must have.
const goodManifest = `{"format":"plumbline.dev/checkpoint/v1","version":"1.0","kind":"best",` +
	`"architecture":{"depth":18},"classes":["normal","defect"],"positive":"defect",` +
	`"input":{"channels":["AM"],"mean":[1],"std":[1]},` +
	`"calibration":{"temperature":1},"files":[{"name":"weights.safetensors",` +
	`"sha256":"0000000000000000000000000000000000000000000000000000000000000000"}]}`

func TestAReportSurvivesTheWire(t *testing.T) {
	want := goodReport()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeReport(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	newer := append(b[:len(b)-1], `,"addedInMinorVersion":1}`...)
	if _, err := DecodeReport(newer); err != nil {
		t.Errorf("a field of a newer minor version: %v", err)
	}
}

func TestABadReportIsRefusedWithTheReason(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Report)
		want   string
	}{
		"another major version": {
			change: func(r *Report) { r.Version = "2.0" },
			want:   "same release",
		},
		"no version": {
			change: func(r *Report) { r.Version = "" },
			want:   "MAJOR.MINOR",
		},
		"an unknown kind": {
			change: func(r *Report) { r.Kind = "gossip" },
			want:   `kind "gossip"`,
		},
		"a trial with a dot": {
			change: func(r *Report) { r.Trial = "d50.a1" },
			want:   `trial "d50.a1" must have 1 to 63 letters`,
		},
		"a writer with a slash": {
			change: func(r *Report) { r.Writer = "../d18" },
			want:   `writer "../d18" must have`,
		},
		"no run": {
			change: func(r *Report) { r.RunUID = "" },
			want:   "runUID",
		},
		"an unknown depth": {
			change: func(r *Report) { r.Depth = 51 },
			want:   "depth 51",
		},
		"sequence 0": {
			change: func(r *Report) { r.Sequence = 0 },
			want:   "sequence 0",
		},
		"an epoch after the last": {
			change: func(r *Report) { r.Epoch = 9 },
			want:   "epoch 9 is outside 0..8",
		},
		"an epoch report of epoch 0": {
			change: func(r *Report) { r.Epoch = 0 },
			want:   "epoch 0 is below 1",
		},
		"an epoch that measured nothing": {
			change: func(r *Report) { r.Metrics = nil },
			want:   "neither metrics nor a reason",
		},
		"a checkpoint without a digest": {
			change: func(r *Report) { r.Checkpoint.Digest = "" },
			want:   `checkpoint.digest "" must begin with sha256:`,
		},
		"an AUC-PR above 1": {
			change: func(r *Report) { r.Metrics.AUCPR = 1.5 },
			want:   "aucPR is 1.5",
		},
		"test metrics below 0": {
			change: func(r *Report) { r.Test = &Metrics{F1: -1} },
			want:   "f1 is -1",
		},
		"too many scores": {
			change: func(r *Report) { r.Scores = make([]SampleScore, MaxScores+1) },
			want:   "over the limit",
		},
		"a message that is too long": {
			change: func(r *Report) { r.Message = strings.Repeat("é", MaxMessageRunes+1) },
			want:   "over the limit of 1024",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := goodReport()
			test.change(&r)
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeReport(b); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
	_, err := DecodeReport(make([]byte, MaxReportBytes+1))
	if err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("an oversized report: %v", err)
	}
	// JSON has no such numbers, but a Report in memory may have them.
	for _, x := range []float64{math.NaN(), math.Inf(1)} {
		r := goodReport()
		r.Metrics.Loss = x
		if err := r.Validate(); err == nil {
			t.Errorf("a loss of %v was accepted", x)
		}
	}
}

func TestAResultAlwaysFitsIntoATerminationMessage(t *testing.T) {
	for name, message := range map[string]string{
		"short":                      "it works",
		"empty":                      "",
		"long":                       strings.Repeat("x", 9000),
		"long, two bytes a letter":   strings.Repeat("é", 9000),
		"long, four bytes a letter":  strings.Repeat("🜁", 3000),
		"long, escaped in JSON":      strings.Repeat("\"\n<", 5000),
		"long, six times so in JSON": strings.Repeat("\x01", 5000),
		"slightly too long":          strings.Repeat("x", MaxResultBytes-60),
		"not UTF-8":                  strings.Repeat("\xff", 6000),
	} {
		t.Run(name, func(t *testing.T) {
			b := Result{Reason: "BadData", Message: message, Where: "labels.csv:7"}.Encode()
			if len(b) > MaxResultBytes {
				t.Errorf("%d bytes, over the limit of %d", len(b), MaxResultBytes)
			}
			r, err := DecodeResult(b)
			if err != nil {
				t.Fatal(err)
			}
			if r.Reason != "BadData" || r.Where != "labels.csv:7" {
				t.Errorf("reason and place became %q and %q", r.Reason, r.Where)
			}
			if !utf8.ValidString(r.Message) {
				t.Errorf("a character was split: …%q", r.Message[max(0, len(r.Message)-8):])
			}
			kept := strings.TrimSuffix(r.Message, "…")
			if utf8.ValidString(message) && !strings.HasPrefix(message, kept) {
				t.Errorf("%.40q is not the beginning of the message", r.Message)
			}
			if utf8.ValidString(message) && len(message) > 3000 && len(r.Message) < 600 {
				t.Errorf("only %d bytes are left of %d", len(r.Message), len(message))
			}
		})
	}
}

func TestAnOversizedWhereIsShortenedToo(t *testing.T) {
	b := Result{Reason: "BadData", Message: "m", Where: strings.Repeat("d/", 4000)}.Encode()
	if len(b) > MaxResultBytes {
		t.Errorf("%d bytes, over the limit of %d", len(b), MaxResultBytes)
	}
}

func TestVersionsOneMinorApartWorkTogether(t *testing.T) {
	major, minor, err := parseVersion(Version)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		version string
		want    bool
	}{
		"the same":                 {Version, true},
		"the next minor":           {version(major, minor+1), true},
		"the minor after the next": {version(major, minor+2), false},
		"the next major":           {version(major+1, minor), false},
		"no minor":                 {"1", false},
		"nothing":                  {"", false},
		"a negative number":        {"1.-1", false},
		"words":                    {"one.two", false},
	} {
		if err := CheckVersion(test.version); (err == nil) != test.want {
			t.Errorf("%s (%s): %v, want accepted %v", name, test.version, err, test.want)
		}
	}
}

// A document in a checkpoint is read by every later release of the same major version. A report on the stream is read
// by the next minor version only.
func TestACheckpointOutlivesReleases(t *testing.T) {
	defer func(was string) { ownVersion = was }(ownVersion)
	ownVersion = "1.7"
	for version, want := range map[string]struct{ onStream, inCheckpoint bool }{
		"1.8": {true, true},
		"1.7": {true, true},
		"1.6": {true, true},
		"1.5": {false, true},
		"1.0": {false, true},
		"1.9": {false, false},
		"2.7": {false, false},
		"0.7": {false, false},
	} {
		r := goodReport()
		r.Version = version
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text := []byte(strings.Replace(goodManifest, `"version":"1.0"`, `"version":"`+version+`"`, 1))
		_, reportErr := DecodeReport(line)
		if (reportErr == nil) != want.onStream {
			t.Errorf("a report of %s in release %s: %v, want accepted: %t",
				version, ownVersion, reportErr, want.onStream)
		}
		_, historyErr := DecodeHistory(line)
		_, manifestErr := DecodeManifest(text)
		if (historyErr == nil) != want.inCheckpoint || (manifestErr == nil) != want.inCheckpoint {
			t.Errorf("a checkpoint of %s in release %s: history %v, manifest %v, want accepted: %t",
				version, ownVersion, historyErr, manifestErr, want.inCheckpoint)
		}
	}
}

func version(major, minor int) string {
	b, _ := json.Marshal(major)
	c, _ := json.Marshal(minor)
	return string(b) + "." + string(c)
}

func TestClassify(t *testing.T) {
	for name, test := range map[string]struct {
		ended Ended
		want  Class
	}{
		"exit 0":                        {Ended{ExitCode: 0}, ClassSucceeded},
		"exit 0 of a pod that was lost": {Ended{ExitCode: 0, Lost: true}, ClassInterrupted},
		"bad settings, and evicted":     {Ended{ExitCode: ExitSettings, Disruption: true}, ClassSettings},
		"bad data":                      {Ended{ExitCode: ExitData}, ClassData},
		"no data":                       {Ended{ExitCode: ExitNoInput}, ClassData},
		"diverged":                      {Ended{ExitCode: ExitDiverged}, ClassDiverged},
		"no GPU":                        {Ended{ExitCode: ExitDevice}, ClassDevice},
		"SIGTERM, checkpoint written":   {Ended{ExitCode: ExitInterrupted}, ClassInterrupted},
		"killed after an eviction":      {Ended{ExitCode: 137, Disruption: true}, ClassInterrupted},
		"out of memory":                 {Ended{ExitCode: 137, Reason: "OOMKilled"}, ClassMemory},
		"out of memory, while preempted": {
			Ended{ExitCode: 137, Reason: "OOMKilled", Disruption: true}, ClassInterrupted,
		},
		"never reported":              {Ended{ExitCode: -1, Lost: true}, ClassInterrupted},
		"the store cannot be written": {Ended{ExitCode: ExitStore}, ClassCrash},
		"a segmentation fault":        {Ended{ExitCode: 139}, ClassCrash},
		"no step ended":               {Ended{ExitCode: ExitStalled}, ClassStalled},
	} {
		if got := Classify(test.ended); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestRetryByClass(t *testing.T) {
	for class, want := range map[Class]Retry{
		ClassSucceeded:   RetryNever,
		ClassSettings:    RetryNever,
		ClassData:        RetryNever,
		ClassDiverged:    RetryNever,
		ClassDevice:      RetryNever,
		ClassMemory:      RetryBudgeted,
		ClassStalled:     RetryBudgeted,
		ClassCrash:       RetryBudgeted,
		ClassReports:     RetryBudgeted,
		ClassInterrupted: RetryFree,
	} {
		if got := class.Retry(); got != want {
			t.Errorf("%s: %d, want %d", class, got, want)
		}
	}
}

func FuzzDecodeReport(f *testing.F) {
	b, _ := json.Marshal(goodReport())
	f.Add(b)
	f.Add([]byte(`{"version":"1.0","kind":"finished"}`))
	f.Add([]byte(`{"metrics":{"aucPR":1e309}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeReport(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(r) // every accepted report can be encoded
		if err != nil {
			t.Fatal(err)
		}
		if len(again) <= MaxReportBytes {
			if _, err := DecodeReport(again); err != nil {
				t.Errorf("accepted once, but refused after it was encoded again: %v", err)
			}
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add([]byte(goodManifest))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeManifest(b)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if strings.ContainsAny(file.Name, `/\`) || file.Name == ".." || file.Name == "." {
				t.Errorf("file name %q leaves the directory", file.Name)
			}
		}
	})
}
