package output

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

	"plumbline.dev/plumbline/cli/cluster"
)

// Flag is the flag -o: a table or a sentence for people unless it says otherwise. It is refused where it is read, with
// the command line, if it is not among the verb's formats.
type Flag struct {
	Format  string // "": for people
	formats []string
}

// AddTo gives cmd the flag, with these formats.
func (o *Flag) AddTo(cmd *cobra.Command, formats ...string) {
	o.formats = formats
	cmd.Flags().VarP(o, "output", "o", "print "+strings.Join(formats, "|")+", for programs")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// String, Type and Set make it a pflag.Value.
func (o *Flag) String() string { return o.Format }
func (o *Flag) Type() string   { return "string" }

func (o *Flag) Set(format string) error {
	if format != "" && !slices.Contains(o.formats, format) {
		return fmt.Errorf("%q is not one of %s", format, strings.Join(o.formats, ", "))
	}
	o.Format = format
	return nil
}

// Printer returns what prints Kubernetes objects in that format, or nil for a table.
func (o *Flag) Printer() printers.ResourcePrinter {
	switch o.Format {
	case "json":
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.JSONPrinter{}}
	case "yaml":
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.YAMLPrinter{}}
	case "name":
		return &printers.NamePrinter{}
	}
	return nil
}

// PrintDocument prints what is no Kubernetes object, as json or yaml.
func (o *Flag) PrintDocument(doc any, w io.Writer) error {
	b, err := json.MarshalIndent(doc, "", "    ")
	if o.Format == "yaml" {
		b, err = yaml.Marshal(doc)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, strings.TrimSuffix(string(b), "\n"))
	return err
}

// PrintObject prints an object or a list; each item says its kind, as kubectl's do, which a typed client leaves out.
func PrintObject(p printers.ResourcePrinter, obj runtime.Object, w io.Writer) error {
	s := cluster.Scheme()
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
