// Command schemas writes the JSON schemas that kubeconform checks manifests against, without a network: those of Kubernetes' own
// kinds from the OpenAPI document in the local cluster's pinned k8s.io/kubernetes, those of Plumbline's kinds from the CRDs.
// Fields that a kind does not have are refused, so that a misspelt one does not pass as absent. hack/verify.sh runs it.
//
//	go run ./hack/schemas SWAGGER.json CRD-DIRECTORY OUT-DIRECTORY
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type object = map[string]any

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: schemas SWAGGER.json CRD-DIRECTORY OUT-DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(swagger, crdDir, out string) error {
	b, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	var doc struct{ Definitions map[string]object }
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("read %s: %w", swagger, err)
	}
	kinds := kinds{definitions: doc.Definitions}
	for name, def := range doc.Definitions {
		gvks, _ := def["x-kubernetes-group-version-kind"].([]any)
		if len(gvks) != 1 {
			continue // not an object of its own, or one that every group has, such as DeleteOptions
		}
		gvk := gvks[0].(object)
		if err := save(out, gvk["group"].(string), gvk["version"].(string), gvk["kind"].(string), kinds.expand(def, []string{name})); err != nil {
			return err
		}
	}
	return writeCRDs(crdDir, out)
}

func writeCRDs(dir, out string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*_*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var crd struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema object }
				}
			}
		}
		if err := yaml.Unmarshal(b, &crd); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		for _, v := range crd.Spec.Versions {
			if err := save(out, crd.Spec.Group, v.Name, crd.Spec.Names.Kind, kinds{}.expand(v.Schema.OpenAPIV3Schema, nil)); err != nil {
				return err
			}
		}
	}
	return nil
}

// save names the file as kubeconform looks for it: kind, first element of the group, version.
func save(dir, group, version, kind string, schema any) error {
	b, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("write the schema of %s: %w", kind, err)
	}
	name := kind + "-"
	if group != "" {
		name += strings.SplitN(group, ".", 2)[0] + "-"
	}
	return os.WriteFile(filepath.Join(dir, strings.ToLower(name+version)+".json"), b, 0o644)
}

type kinds struct{ definitions map[string]object }

// expand puts definitions in the place of references and closes objects. within guards against those that contain themselves
// (the schema of a CRD does): their inside is not checked.
func (k kinds) expand(v any, within []string) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = k.expand(e, within)
		}
		return all
	case object:
		if ref, ok := v["$ref"].(string); ok {
			return k.reference(strings.TrimPrefix(ref, "#/definitions/"), within)
		}
		all := make(object, len(v)+1)
		for key, e := range v {
			all[key] = k.expand(e, within)
		}
		_, has := v["properties"].(object)
		_, open := v["additionalProperties"]
		if has && !open {
			all["additionalProperties"] = false
		}
		return all
	}
	return v
}

func (k kinds) reference(name string, within []string) any {
	switch {
	case strings.HasSuffix(name, ".IntOrString"), strings.HasSuffix(name, ".Quantity"):
		return object{"type": []string{"string", "number"}}
	case strings.HasSuffix(name, ".JSON"), strings.HasSuffix(name, ".JSONSchemaPropsOrArray"), strings.HasSuffix(name, ".JSONSchemaPropsOrBool"):
		return object{}
	}
	for _, w := range within {
		if w == name {
			return object{}
		}
	}
	return k.expand(k.definitions[name], append(append([]string{}, within...), name))
}
