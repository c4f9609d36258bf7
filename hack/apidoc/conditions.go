package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
)

// condition is a constant such as ConditionAdmitted with the comment above it.
type condition struct{ name, doc string }

// readConditions returns the Condition constants of each kind, read from the Go files below apiDir. The comment above a
// group of constants names their kind: "Conditions of a TrainingRun."
func readConditions(apiDir string) (map[string][]condition, error) {
	files, err := filepath.Glob(filepath.Join(apiDir, "*_types.go"))
	if err != nil {
		return nil, err
	}
	byKind := map[string][]condition{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			_, rest, ok := strings.Cut(group.Doc.Text(), "Conditions of a ")
			if !ok {
				continue
			}
			kind, _, _ := strings.Cut(rest, ".")
			for _, s := range group.Specs {
				c, err := readCondition(s.(*ast.ValueSpec))
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", path, err)
				}
				byKind[kind] = append(byKind[kind], c)
			}
		}
	}
	if len(byKind) == 0 {
		return nil, fmt.Errorf("%s has no constants below a comment \"Conditions of a KIND.\"", apiDir)
	}
	return byKind, nil
}

func readCondition(v *ast.ValueSpec) (condition, error) {
	name := v.Names[0].Name
	literal, ok := v.Values[0].(*ast.BasicLit)
	if !ok || v.Doc == nil {
		return condition{}, fmt.Errorf("%s needs a literal value and a comment", name)
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return condition{}, fmt.Errorf("%s: %w", name, err)
	}
	return condition{name: value, doc: strings.TrimPrefix(v.Doc.Text(), name+" ")}, nil
}
