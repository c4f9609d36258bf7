package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"
)

// output is the flag -o: a table or a sentence for people unless it says otherwise.
type output string

func (o *output) addTo(cmd *cobra.Command, formats ...string) {
	list := strings.Join(formats, "|")
	cmd.Flags().StringVarP((*string)(o), "output", "o", "", "print "+list+", for programs")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// printer returns what prints Kubernetes objects in that format, or nil for a table.
func (o output) printer() (printers.ResourcePrinter, error) {
	switch o {
	case "":
		return nil, nil
	case "json":
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.JSONPrinter{}}, nil
	case "yaml":
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.YAMLPrinter{}}, nil
	case "name":
		return &printers.NamePrinter{}, nil
	}
	return nil, usagef("--output %q is not one of json, yaml, name", string(o))
}

// check refuses a format that is not among these, before anything is asked of the cluster.
func (o output) check(formats ...string) error {
	if o != "" && !slices.Contains(formats, string(o)) {
		return usagef("--output %q is not one of %s", string(o), strings.Join(formats, ", "))
	}
	return nil
}

// printDocument prints what is no Kubernetes object, as json or yaml.
func (o output) printDocument(doc any, w io.Writer) error {
	b, err := json.MarshalIndent(doc, "", "    ")
	if o == "yaml" {
		b, err = yaml.Marshal(doc)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, strings.TrimSuffix(string(b), "\n"))
	return err
}

// printObject prints an object or a list; each item says its kind, as kubectl's do, which a typed client leaves out.
func printObject(p printers.ResourcePrinter, obj runtime.Object, w io.Writer) error {
	s := scheme()
	if err := setKind(s, obj); err != nil {
		return err
	}
	if !meta.IsListType(obj) {
		return p.PrintObj(obj, w)
	}
	_, names := p.(*printers.NamePrinter) // which takes no lists
	err := meta.EachListItem(obj, func(item runtime.Object) error {
		if err := setKind(s, item); err != nil || !names {
			return err
		}
		return p.PrintObj(item, w)
	})
	if err != nil || names {
		return err
	}
	return p.PrintObj(obj, w)
}

func setKind(s *runtime.Scheme, obj runtime.Object) error {
	gvk, err := apiutil.GVKForObject(obj, s)
	if err != nil {
		return err
	}
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	return nil
}
