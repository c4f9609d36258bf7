// Command schemas writes the JSON schemas that kubeconform checks manifests against, so that the check needs no
// network. The schemas of Kubernetes' own kinds come from the OpenAPI document in the k8s.io/kubernetes that the local
// cluster pins; those of Plumbline's kinds come from the CRDs. The schemas refuse unknown fields; otherwise a misspelt
// field would pass unnoticed. hack/verify.sh runs this program.
//
//	go run ./hack/schemas SWAGGER.json CRD-DIRECTORY OUT-DIRECTORY
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	all := definitions(doc.Definitions)
	for name, definition := range all {
		gvks, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(gvks) != 1 {
			continue // part of an object, or an object that every group has, such as DeleteOptions
		}
		gvk := gvks[0].(object)
		group, version, kind := gvk["group"].(string), gvk["version"].(string), gvk["kind"].(string)
		if err := save(out, group, version, kind, all.expand(definition, []string{name})); err != nil {
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
			schema := definitions(nil).expand(v.Schema.OpenAPIV3Schema, nil)
			if err := save(out, crd.Spec.Group, v.Name, crd.Spec.Names.Kind, schema); err != nil {
				return err
			}
		}
	}
	return nil
}

// save writes a schema under the name that kubeconform looks for: KIND-GROUP-VERSION.json in lower case, where GROUP is
// the group's first element and is left out for the core group.
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

// definitions holds the schemas of an OpenAPI document by name. They refer to each other.
type definitions map[string]object

// expand returns v with each reference replaced by its definition, and with unknown fields refused in each object.
// within lists the definitions that contain v. A definition that contains itself (the schema of a CRD does) becomes a
// schema that allows everything where it comes the second time.
func (d definitions) expand(v any, within []string) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = d.expand(e, within)
		}
		return all
	case object:
		if ref, ok := v["$ref"].(string); ok {
			return d.reference(strings.TrimPrefix(ref, "#/definitions/"), within)
		}
		all := make(object, len(v)+1)
		for key, e := range v {
			all[key] = d.expand(e, within)
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

// reference returns the expanded definition of a name. The definitions of some Kubernetes types do not say which JSON
// values the type takes; their schemas are written here.
func (d definitions) reference(name string, within []string) any {
	switch name[strings.LastIndex(name, ".")+1:] {
	case "IntOrString", "Quantity":
		return object{"type": []string{"string", "number"}}
	case "JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool":
		return object{}
	}
	if slices.Contains(within, name) {
		return object{}
	}
	return d.expand(d[name], append(slices.Clone(within), name))
}
