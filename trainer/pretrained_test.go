package main

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// pretrainedFile writes weights of depth 18 with the block and the epsilon of Keras. Every value of a tensor is the
// length of the tensor's name.
func pretrainedFile(t *testing.T) string {
	t.Helper()
	shapes := pretrained.Backbone(18)
	var ts []safetensors.Tensor
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		data := slices.Repeat([]float32{float32(len(name))}, n)
		ts = append(ts, safetensors.Tensor{Name: name, Shape: shapes[name], Data: data})
	}
	var b bytes.Buffer
	meta := map[string]string{pretrained.MetaBlock: "v1", pretrained.MetaEpsilon: "0.001"}
	if err := safetensors.Write(&b, meta, ts); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "resnet18.safetensors")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// startingFrom returns a trialProcess whose training starts from these weights.
func startingFrom(path string, depth int, colours map[string]string) trialProcess {
	p := &wire.Pretrained{URI: wire.LocalURI(path), InputAdaptation: wire.AdaptMapped, Colours: colours}
	return trialProcess{trial: wire.Trial{Depth: depth, Pretrained: p}, log: slog.New(slog.DiscardHandler)}
}

func TestTrainingStartsFromPretrainedWeights(t *testing.T) {
	colours := map[string]string{"R": "R", "W": "mean"}
	start, err := startingFrom(pretrainedFile(t), 18, colours).loadPretrained([]string{"R", "W"})
	if err != nil {
		t.Fatal(err)
	}
	if a := start.architecture; a.Block != "v1" || a.Epsilon != 1e-3 || a.Classes != 2 {
		t.Errorf("the architecture is %+v", a)
	}
	if !strings.HasPrefix(start.digest, "sha256:") {
		t.Errorf("the digest of the weights is %s", start.digest)
	}
	hyper, _ := wire.Recipe(wire.PresetDefault, true) // with averages, which start from the same weights
	hyper.ImageSize = 32
	model, err := session.New(session.Config{
		Architecture: start.architecture,
		Channels:     2,
		Mean:         []float64{1, 1},
		Std:          []float64{1, 1},
		Hyper:        hyper,
		Threads:      2,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if err := start.restoreInto(model); err != nil {
		t.Fatal(err)
	}
	all, err := model.Snapshot(loop.Resume)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, x := range all {
		name := strings.TrimPrefix(x.Name, "average/")
		want := float32(len(name))
		switch {
		case x.Role == wire.RoleSlot || strings.HasPrefix(name, "fc."):
			continue
		case name == "conv1.weight": // R has 3/4 of red's; W has the rest, and all of green's and blue's
			for i, share := range []float32{.75, 2.25} {
				if got := x.Data[i*49]; got < share*want-1e-4 || got > share*want+1e-4 {
					t.Errorf("channel %d of %s is %v, want %v", i, x.Name, got, share*want)
				}
			}
		case x.Data[0] != want || x.Data[len(x.Data)-1] != want:
			t.Errorf("%s is %v to %v, want %v", x.Name, x.Data[0], x.Data[len(x.Data)-1], want)
		}
		checked++
	}
	if checked != 200 { // 20 kernels, 20 batch norms with four tensors each, and the averages of all these
		t.Errorf("%d tensors were checked, want 200", checked)
	}
}

func TestPretrainedWeightsThatCannotBeUsed(t *testing.T) {
	path := pretrainedFile(t)
	short := filepath.Join(t.TempDir(), "short.safetensors")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(short, b[:len(b)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	both := map[string]string{"R": "R", "W": "mean"}
	elsewhere := trialProcess{trial: wire.Trial{Pretrained: &wire.Pretrained{URI: "s3://weights"}}}
	for name, test := range map[string]struct {
		from trialProcess
		code int
		want string
	}{
		"a channel without a colour": {
			from: startingFrom(path, 18, map[string]string{"R": "R"}),
			code: wire.ExitSettings,
			want: "channel W is given no colour",
		},
		"a location that is not a local path": {
			from: elsewhere,
			code: wire.ExitSettings,
			want: "s3://weights",
		},
		"a file that does not exist": {
			from: startingFrom(path+"x", 18, both),
			code: wire.ExitNoInput,
			want: path + "x",
		},
		"a path below a file": {
			from: startingFrom(path+"/x", 18, both),
			code: wire.ExitNoInput,
			want: path + "/x",
		},
		"a truncated file": {
			from: startingFrom(short, 18, both),
			code: wire.ExitData,
			want: short,
		},
		"weights of another depth": {
			from: startingFrom(path, 34, both),
			code: wire.ExitData,
			want: "not a ResNet of depth 34, and seems to be of depth 18",
		},
		"a directory instead of a file": {
			from: startingFrom(filepath.Dir(path), 18, both),
			code: wire.ExitData,
			want: "regular file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.from.loadPretrained([]string{"R", "W"})
			var end *ending
			if !errors.As(err, &end) || end.code != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want exit code %d and %q", err, test.code, test.want)
			}
		})
	}
}
