package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/trainer/pretrained"
)

func TestUnitsHaveTorchvisionsNames(t *testing.T) {
	backbone := pretrained.Backbone(50)
	named := map[string]bool{}
	for _, u := range units() {
		named[u.torchConv+".weight"] = true
		for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
			named[u.torchNorm+"."+part] = true
		}
	}
	for name := range backbone {
		if !named[name] {
			t.Errorf("%s comes from nowhere", name)
		}
	}
	if len(named) != len(backbone) {
		t.Errorf("%d names, want %d", len(named), len(backbone))
	}
	for _, want := range []unit{
		{"conv1", "bn_conv1", "conv1", "bn1"},
		{"res2a_branch1", "bn2a_branch1", "layer1.0.downsample.0", "layer1.0.downsample.1"},
		{"res4f_branch2b", "bn4f_branch2b", "layer3.5.conv2", "layer3.5.bn2"},
	} {
		found := false
		for _, u := range units() {
			found = found || u == want
		}
		if !found {
			t.Errorf("%+v is not among the units", want)
		}
	}
}

func count(shape ...int) array {
	a := array{shape: shape, data: make([]float32, product(shape))}
	for i := range a.data {
		a.data[i] = float32(i)
	}
	return a
}

func TestLayouts(t *testing.T) {
	for name, test := range map[string]struct {
		got, want array
	}{
		"a kernel of one pixel, two in, three out": {oihw(count(1, 1, 2, 3)), array{[]int{3, 2, 1, 1}, []float32{0, 3, 1, 4, 2, 5}}},
		"a kernel of two pixels, one in, two out":  {oihw(count(2, 1, 1, 2)), array{[]int{2, 1, 2, 1}, []float32{0, 2, 1, 3}}},
		"a dense layer":         {transposed(count(2, 3)), array{[]int{3, 2}, []float32{0, 3, 1, 4, 2, 5}}},
		"a bias in its mean":    {minus(array{[]int{2}, []float32{5, -1}}, array{[]int{2}, []float32{2, 3}}), array{[]int{2}, []float32{3, -4}}},
		"blue, green, red of 1": {rgb(array{[]int{1, 3, 1, 1}, []float32{1, 2, 3}}), array{[]int{1, 3, 1, 1}, []float32{3 * 58.395, 2 * 57.12, 57.375}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got, cmp.AllowUnexported(array{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// packageOf makes an npm package of these files.
func packageOf(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	archive := tar.NewWriter(z)
	for name, text := range files {
		if err := archive.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		archive.Write([]byte(text)) // an error comes again from Close
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

const tinyModel = `{"modelTopology":{"model_config":{"config":{"layers":[
	{"name":"bn","class_name":"BatchNormalization","config":{"epsilon":0.001}},
	{"name":"conv","class_name":"Conv2D","config":{"strides":[2,2]}}]}}},
	"weightsManifest":[{"paths":["1.bin","2.bin"],"weights":[
	{"name":"conv/kernel","shape":[1,1,1,2],"dtype":"float32"},{"name":"conv/bias","shape":[2],"dtype":"float32"}]}]}`

func TestAPackageIsRead(t *testing.T) {
	var values string
	for _, v := range []float32{1, 2, 3, 4} {
		values += string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string // in the error; "" for none
	}{
		"weights that straddle two files": {map[string]string{"ResNet50/model.json": tinyModel, "ResNet50/1.bin": values[:6], "ResNet50/2.bin": values[6:]}, ""},
		"a file is missing":               {map[string]string{"ResNet50/model.json": tinyModel, "ResNet50/1.bin": values[:6]}, "conv/kernel of type float32 needs 8 bytes of 6"},
		"bytes are left over":             {map[string]string{"ResNet50/model.json": tinyModel, "ResNet50/1.bin": values, "ResNet50/2.bin": "x"}, "1 bytes belong to no weight"},
		"the model is missing":            {map[string]string{"LICENSE": "MIT"}, "model.json"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := unpack(packageOf(t, test.files))
			if err != nil {
				t.Fatal(err)
			}
			n, err := decodeModel(files)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one that says %q", err, test.want)
				}
				return
			}
			want := network{
				layers:  map[string]layer{"bn": {Class: "BatchNormalization", Epsilon: 1e-3}, "conv": {Class: "Conv2D", Strides: [2]int{2, 2}}},
				weights: map[string]array{"conv/kernel": {[]int{1, 1, 1, 2}, []float32{1, 2}}, "conv/bias": {[]int{2}, []float32{3, 4}}},
			}
			if diff := cmp.Diff(want, n, cmp.AllowUnexported(network{}, array{})); err != nil || diff != "" {
				t.Errorf("error %v:\n%s", err, diff)
			}
			if _, _, err := n.convert(); err == nil || !strings.Contains(err.Error(), "weight res5c_branch2c/kernel") || !strings.Contains(err.Error(), "0 of 2 weights are used") {
				t.Errorf("a network that is no ResNet-50 is converted: %v", err)
			}
		})
	}
}
