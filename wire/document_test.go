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
		Version: Version, Kind: Epoch, RunUID: "run", Trial: "d50", Depth: 50, Attempt: 1, Writer: "d50-a1-pod", Sequence: 2,
		Time: time.Unix(1_700_000_000, 0).UTC(), Epoch: 1, Epochs: 8, Step: 40, Weights: "raw",
		Metrics:    &Metrics{AUCPR: 0.7, AUCPRLow: 0.6, AUCPRHigh: 0.8, Threshold: -1, Loss: 0.4, Samples: 90},
		Checkpoint: &CheckpointRef{URI: "file:///store/best-e0001", Digest: "sha256:0"},
		Scores:     []SampleScore{{ID: "s1", Group: "p1", Label: 1, Logit: 0.3}},
	}
}

// goodManifest holds what no manifest may lack.
const goodManifest = `{"format":"plumbline.dev/checkpoint/v1","version":"1.0","kind":"best","architecture":{"depth":18},"classes":["normal","defect"],"positive":"defect","input":{"channels":["AM"],"mean":[1],"std":[1]},"calibration":{"temperature":1},"files":[{"name":"weights.safetensors","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}]}`

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

func TestABadReportIsRefusedInWords(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Report)
		want   string
	}{
		"another major version":          {func(r *Report) { r.Version = "2.0" }, "same release"},
		"no version":                     {func(r *Report) { r.Version = "" }, "MAJOR.MINOR"},
		"an unknown kind":                {func(r *Report) { r.Kind = "gossip" }, `kind "gossip"`},
		"a trial with a dot":             {func(r *Report) { r.Trial = "d50.a1" }, "character that it must not"},
		"a writer with a slash":          {func(r *Report) { r.Writer = "../d18" }, "character that it must not"},
		"no run":                         {func(r *Report) { r.RunUID = "" }, "runUID"},
		"an unknown depth":               {func(r *Report) { r.Depth = 51 }, "depth 51"},
		"sequence 0":                     {func(r *Report) { r.Sequence = 0 }, "sequence 0"},
		"an epoch after the last":        {func(r *Report) { r.Epoch = 9 }, "epoch 9 is outside 0..8"},
		"an epoch report of epoch 0":     {func(r *Report) { r.Epoch = 0 }, "of epoch 0"},
		"an epoch that measured nothing": {func(r *Report) { r.Metrics = nil }, "neither metrics nor a reason"},
		"a checkpoint without a digest":  {func(r *Report) { r.Checkpoint.Digest = "" }, "checkpoint lacks"},
		"an AUC-PR above 1":              {func(r *Report) { r.Metrics.AUCPR = 1.5 }, "aucPR is 1.5"},
		"test metrics below 0":           {func(r *Report) { r.Test = &Metrics{F1: -1} }, "f1 is -1"},
		"too many scores":                {func(r *Report) { r.Scores = make([]SampleScore, MaxScores+1) }, "over the limit"},
		"a message that is too long":     {func(r *Report) { r.Message = strings.Repeat("é", MaxMessageRunes+1) }, "over 1024 characters"},
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
	if _, err := DecodeReport(make([]byte, MaxReportBytes+1)); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("an oversized report: %v", err)
	}
	for _, x := range []float64{math.NaN(), math.Inf(1)} { // JSON has no such numbers; a report made here might
		r := goodReport()
		r.Metrics.Loss = x
		if err := r.Validate(); err == nil {
			t.Errorf("a loss of %v was taken", x)
		}
	}
}

func TestALastWordAlwaysFits(t *testing.T) {
	for name, message := range map[string]string{
		"short":                      "it works",
		"empty":                      "",
		"long":                       strings.Repeat("x", 9000),
		"long, two bytes a letter":   strings.Repeat("é", 9000),
		"long, four bytes a letter":  strings.Repeat("🜁", 3000),
		"long, escaped in JSON":      strings.Repeat("\"\n<", 5000),
		"long, six times so in JSON": strings.Repeat("\x01", 5000),
		"a little over":              strings.Repeat("x", MaxResultBytes-60),
		"not UTF-8":                  strings.Repeat("\xff", 6000),
	} {
		t.Run(name, func(t *testing.T) {
			b := Result{Reason: "BadData", Message: message, Where: "labels.csv:7"}.Encode()
			if len(b) > MaxResultBytes {
				t.Errorf("%d bytes, the limit is %d", len(b), MaxResultBytes)
			}
			r, err := DecodeResult(b)
			if err != nil {
				t.Fatal(err)
			}
			if r.Reason != "BadData" || r.Where != "labels.csv:7" {
				t.Errorf("reason and place are lost: %q, %q", r.Reason, r.Where)
			}
			if !utf8.ValidString(r.Message) {
				t.Errorf("a letter was split: …%q", r.Message[max(0, len(r.Message)-8):])
			}
			if kept := strings.TrimSuffix(r.Message, "…"); utf8.ValidString(message) && !strings.HasPrefix(message, kept) {
				t.Errorf("the message does not begin as it did: %.40q", r.Message)
			}
			if utf8.ValidString(message) && len(message) > 3000 && len(r.Message) < 600 {
				t.Errorf("only %d bytes are left of %d", len(r.Message), len(message))
			}
		})
	}
}

func TestAnOversizedPlaceIsShortenedToo(t *testing.T) {
	b := Result{Reason: "BadData", Message: "m", Where: strings.Repeat("d/", 4000)}.Encode()
	if len(b) > MaxResultBytes {
		t.Errorf("%d bytes, the limit is %d", len(b), MaxResultBytes)
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
		"its own":           {Version, true},
		"the next minor":    {version(major, minor+1), true},
		"two minors on":     {version(major, minor+2), false},
		"the next major":    {version(major+1, minor), false},
		"no minor":          {"1", false},
		"nothing":           {"", false},
		"a negative number": {"1.-1", false},
		"words":             {"one.two", false},
	} {
		if err := CheckVersion(test.version); (err == nil) != test.want {
			t.Errorf("%s (%s): %v, want accepted %v", name, test.version, err, test.want)
		}
	}
}

// What lies in a checkpoint is read by every later release of its major version; what goes over the wire by the next one alone.
func TestACheckpointOutlivesReleases(t *testing.T) {
	defer func(was string) { own = was }(own)
	own = "1.7"
	for version, want := range map[string]struct{ wire, kept bool }{
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
		_, onWire := DecodeReport(line)
		_, inHistory := DecodeHistory(line)
		_, manifest := DecodeManifest(text)
		if (onWire == nil) != want.wire || (inHistory == nil) != want.kept || (manifest == nil) != want.kept {
			t.Errorf("%s in release %s: a report: %v; a line of a history: %v; a manifest: %v; want accepted %+v", version, own, onWire, inHistory, manifest, want)
		}
	}
}

func version(major, minor int) string {
	b, _ := json.Marshal(major)
	c, _ := json.Marshal(minor)
	return string(b) + "." + string(c)
}

func TestLocations(t *testing.T) {
	for name, test := range map[string]struct {
		uri, want string // want is empty where it is refused
	}{
		"a directory":      {"file:///data/erasers", "/data/erasers"},
		"a trailing slash": {"file:///data/erasers/", "/data/erasers"},
		"a space":          {"file:///data/my erasers", "/data/my erasers"},
		"a percent sign":   {"file:///data/100%20", "/data/100%20"},
		"an object store":  {"s3://bucket/erasers", ""},
		"a relative path":  {"file://data/erasers", ""},
		"a path alone":     {"/data/erasers", ""},
		"nothing":          {"", ""},
	} {
		got, err := LocalPath(test.uri)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: path %q, error %v, want %q", name, got, err, test.want)
		}
	}
	if got, err := LocalPath(LocalURI("/data/my erasers")); got != "/data/my erasers" || err != nil {
		t.Errorf("there and back: %q, %v", got, err)
	}
}

func TestClassify(t *testing.T) {
	for name, test := range map[string]struct {
		ended Ended
		want  Class
	}{
		"exit 0":                        {Ended{ExitCode: 0}, ClassSucceeded},
		"exit 0 of a pod that was lost": {Ended{ExitCode: 0, Lost: true}, ClassInterrupted},
		"bad settings, though evicted":  {Ended{ExitCode: ExitSettings, Disruption: true}, ClassSettings},
		"bad data":                      {Ended{ExitCode: ExitData}, ClassData},
		"no data":                       {Ended{ExitCode: ExitNoInput}, ClassData},
		"diverged":                      {Ended{ExitCode: ExitDiverged}, ClassDiverged},
		"no GPU":                        {Ended{ExitCode: ExitDevice}, ClassDevice},
		"SIGTERM, checkpoint written":   {Ended{ExitCode: ExitInterrupted}, ClassInterrupted},
		"killed after an eviction":      {Ended{ExitCode: 137, Disruption: true}, ClassInterrupted},
		"killed for memory":             {Ended{ExitCode: 137, Reason: "OOMKilled"}, ClassMemory},
		"killed for memory while being preempted": {Ended{ExitCode: 137, Reason: "OOMKilled", Disruption: true}, ClassInterrupted},
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
		ClassSucceeded: RetryNever, ClassSettings: RetryNever, ClassData: RetryNever, ClassDiverged: RetryNever, ClassDevice: RetryNever,
		ClassMemory: RetryBudgeted, ClassStalled: RetryBudgeted, ClassCrash: RetryBudgeted, ClassReports: RetryBudgeted,
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
		again, err := json.Marshal(r) // whatever is accepted can be told again
		if err != nil {
			t.Fatal(err)
		}
		if len(again) <= MaxReportBytes {
			if _, err := DecodeReport(again); err != nil {
				t.Errorf("accepted once, refused when told again: %v", err)
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
