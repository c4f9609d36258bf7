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

// Flag is the flag -o. Without it a verb prints a table or a sentence for people. A format that the verb does not have
// is an error of the command line.
type Flag struct {
	Format  string   // "" is the output for people
	formats []string // the values that Set accepts
}

// AddTo adds the flag to cmd. formats are its values.
func (o *Flag) AddTo(cmd *cobra.Command, formats ...string) {
	o.formats = formats
	cmd.Flags().VarP(o, "output", "o", "print for programs, as "+strings.Join(formats, "|"))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// String returns the format. String, Type and Set implement pflag.Value.
func (o *Flag) String() string { return o.Format }

// Type returns the type of the flag's value, which help shows.
func (o *Flag) Type() string { return "string" }

// Set sets the format. It returns an error if the verb does not have this format.
func (o *Flag) Set(format string) error {
	if format != "" && !slices.Contains(o.formats, format) {
		return fmt.Errorf("%q is not one of %s", format, strings.Join(o.formats, ", "))
	}
	o.Format = format
	return nil
}

// Printer returns a printer of Kubernetes objects in the chosen format, or nil if none was chosen.
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

// PrintDocument writes doc, which is not a Kubernetes object, to w as YAML if that format was chosen, else as JSON.
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

// PrintObject prints an object or a list to w. It first sets the kind of each item, which a typed client leaves empty
// and kubectl prints.
func PrintObject(p printers.ResourcePrinter, obj runtime.Object, w io.Writer) error {
	s := cluster.Scheme()
	if err := setKind(s, obj); err != nil {
		return err
	}
	if !meta.IsListType(obj) {
		return p.PrintObj(obj, w)
	}
	_, names := p.(*printers.NamePrinter) // a NamePrinter cannot print lists
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
