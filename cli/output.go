package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// output is the flag -o: a table for people unless it says otherwise.
type output string

func (o *output) addTo(cmd *cobra.Command, formats ...string) {
	list := strings.Join(formats, "|")
	cmd.Flags().StringVarP((*string)(o), "output", "o", "", "print "+list+" instead of a table")
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
