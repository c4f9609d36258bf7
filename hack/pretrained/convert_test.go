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
			t.Errorf("no unit has the name %s", name)
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

// count returns an array of this shape whose numbers are 0, 1, 2...
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
		"a kernel of one pixel, two channels in, three out": {
			got:  oihw(count(1, 1, 2, 3)),
			want: array{[]int{3, 2, 1, 1}, []float32{0, 3, 1, 4, 2, 5}},
		},
		"a kernel of two pixels, one channel in, two out": {
			got:  oihw(count(2, 1, 1, 2)),
			want: array{[]int{2, 1, 2, 1}, []float32{0, 2, 1, 3}},
		},
		"a dense layer": {
			got:  transposed(count(2, 3)),
			want: array{[]int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		},
		"a bias is subtracted from the running mean": {
			got:  minus(array{[]int{2}, []float32{5, -1}}, array{[]int{2}, []float32{2, 3}}),
			want: array{[]int{2}, []float32{3, -4}},
		},
		"a kernel for blue, green, red": {
			got:  rgb(array{[]int{1, 3, 1, 1}, []float32{1, 2, 3}}),
			want: array{[]int{1, 3, 1, 1}, []float32{3 * 58.395, 2 * 57.12, 57.375}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got, cmp.AllowUnexported(array{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// packageOf returns an npm package of these files.
func packageOf(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	archive := tar.NewWriter(z)
	for name, text := range files {
		header := &tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(text))}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		archive.Write([]byte(text)) // Close returns an error of this call too
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
		want  string // part of the error; "" if no error is expected
	}{
		"weights that straddle two files": {
			files: map[string]string{
				"ResNet50/model.json": tinyModel,
				"ResNet50/1.bin":      values[:6],
				"ResNet50/2.bin":      values[6:],
			},
		},
		"a file is missing": {
			files: map[string]string{"ResNet50/model.json": tinyModel, "ResNet50/1.bin": values[:6]},
			want:  "weight conv/kernel is 8 bytes of float32, but only 6 bytes are left",
		},
		"bytes are left over": {
			files: map[string]string{
				"ResNet50/model.json": tinyModel,
				"ResNet50/1.bin":      values,
				"ResNet50/2.bin":      "x",
			},
			want: "1 bytes belong to no weight",
		},
		"the model is missing": {
			files: map[string]string{"LICENSE": "MIT"},
			want:  "model.json",
		},
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
				layers: map[string]layer{
					"bn":   {Class: "BatchNormalization", Epsilon: 1e-3},
					"conv": {Class: "Conv2D", Strides: [2]int{2, 2}},
				},
				weights: map[string]array{
					"conv/kernel": {[]int{1, 1, 1, 2}, []float32{1, 2}},
					"conv/bias":   {[]int{2}, []float32{3, 4}},
				},
			}
			if diff := cmp.Diff(want, n, cmp.AllowUnexported(network{}, array{})); err != nil || diff != "" {
				t.Errorf("error %v:\n%s", err, diff)
			}
			_, _, err = n.convert()
			for _, want := range []string{"weight res5c_branch2c/kernel", "0 of 2 weights are used"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("convert a network that is no ResNet-50: error %v, want one that says %q", err, want)
				}
			}
		})
	}
}
