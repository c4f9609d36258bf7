// Command apidoc prints docs/api.md, the reference of the API. It reads the fields from the CRDs, because the API
// server reads the same files. CRDs do not explain conditions, so apidoc reads these explanations from the constants in
// api/v1alpha1. `make generate` runs it.
//
//	go run ./hack/apidoc crds api/v1alpha1 >docs/api.md
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: apidoc CRD-DIRECTORY API-PACKAGE-DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

func run(crdDir, apiDir string) error {
	crds, err := readCRDs(crdDir)
	if err != nil {
		return err
	}
	conditions, err := readConditions(apiDir)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	write(out, crds, conditions)
	return out.Flush()
}

// readCRDs returns the CRDs in the order in which a person meets the kinds: the run that trains, the model that is
// served, the version that was promoted.
func readCRDs(dir string) ([]apiextensions.CustomResourceDefinition, error) {
	var all []apiextensions.CustomResourceDefinition
	for _, plural := range []string{"trainingruns", "models", "modelversions"} {
		path := filepath.Join(dir, "plumbline.dev_"+plural+".yaml")
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var crd apiextensions.CustomResourceDefinition
		if err := yaml.Unmarshal(b, &crd); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		all = append(all, crd)
	}
	return all, nil
}
