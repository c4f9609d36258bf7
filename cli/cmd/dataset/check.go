package dataset

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/table"
	"plumbline.dev/plumbline/cli/text"
	"plumbline.dev/plumbline/dataset"
)

// CheckOptions are what `plumb dataset check` was asked.
type CheckOptions struct {
	IO *iostreams.IOStreams

	Dir         string
	Corrections string
	Output      output.Flag
}

func newCmdCheck(f *factory.Factory, runF func(context.Context, *CheckOptions) error) *cobra.Command {
	if runF == nil {
		runF = runCheck
	}
	o := &CheckOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Read all of a set, count what is in it, and list everything that is wrong",
		Long: `Read all of a set, decode every image, count samples by class and package, and list everything that is wrong at once, each
with its file and line: missing or unreadable images, channels of unequal size, copies, unknown labels, positions outside the grid or
taken twice, corrections that do not fit.

Exits with 1 when something is wrong.`,
		Example: `  plumb dataset check ./erasers
  plumb dataset check ./erasers --corrections review.csv
  plumb dataset check ./erasers -o json | jq .classes`,
		Args: arguments.Between(1, "DIR"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Dir = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Corrections, "corrections", "",
		"lay these corrections over the labels, in place of those that dataset.yaml names")
	o.Output.AddTo(cmd, "json")
	return cmd
}

func runCheck(ctx context.Context, o *CheckOptions) error {
	bar := newProgressBar(o.IO, "reading "+text.Clean(o.Dir))
	report, err := dataset.Check(ctx, o.Dir, o.Corrections, bar.show)
	bar.finish()
	if err != nil {
		return err
	}
	if o.Output.Format == "json" {
		encoder := json.NewEncoder(o.IO.Out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		err = printReport(o.IO, report)
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	switch n := len(report.Problems); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("data set %s has 1 problem, listed above", text.Clean(o.Dir))
	default:
		return fmt.Errorf("data set %s has %d problems, listed above", text.Clean(o.Dir), n)
	}
}

// printReport writes the report for people: counts first, problems last, where the eye ends up.
func printReport(streams *iostreams.IOStreams, r *dataset.CheckResult) error {
	style := streams.PlainStyle()
	var b strings.Builder
	if r.Name != "" {
		channels := text.Clean(strings.Join(r.Channels, ", "))
		fmt.Fprintf(&b, "%s: %d samples in %s, %d channels (%s)\n",
			text.Clean(r.Name), r.Samples, packagesOf(r), len(r.Channels), channels)
		if g := r.Grid; g != nil {
			fmt.Fprintf(&b, "grid: photographs of whole packages, %d rows of %d cells\n", g.Rows, g.Columns)
		}
		if r.Relabelled+r.Excluded > 0 {
			fmt.Fprintf(&b, "corrections: %d relabelled, %d excluded\n", r.Relabelled, r.Excluded)
		}
		classes := [][]string{}
		for _, c := range []struct {
			label dataset.Label
			n     int
		}{{dataset.Normal, r.Classes.Normal}, {dataset.Defect, r.Classes.Defect}} {
			share := fmt.Sprintf("%.1f %%", 100*float64(c.n)/float64(max(r.Samples, 1)))
			classes = append(classes, []string{c.label.String(), strconv.Itoa(c.n), share})
		}
		printCounts(&b, style, []string{"CLASS", "SAMPLES", "SHARE"}, classes)
		packages := [][]string{}
		for _, p := range r.Packages {
			packages = append(packages, []string{text.Clean(p.Name), strconv.Itoa(p.Normal), strconv.Itoa(p.Defect)})
		}
		printCounts(&b, style, []string{"PACKAGE", "NORMAL", "DEFECT"}, packages)
		sizes := [][]string{}
		for _, s := range r.Sizes {
			size := fmt.Sprintf("%d x %d", s.Width, s.Height)
			sizes = append(sizes, []string{size, strconv.Itoa(s.Bits), strconv.Itoa(s.Files)})
		}
		printCounts(&b, style, []string{"SIZE", "BITS", "FILES"}, sizes)
	}
	if len(r.Problems) == 0 {
		fmt.Fprintf(&b, "\nNo problems. Data %s, labels %s\n", r.Digests.Data, r.Digests.Labels)
	} else {
		b.WriteString("\nProblems\n")
		for _, p := range r.Problems {
			b.WriteString(text.Clean(p.String()) + "\n")
		}
	}
	_, err := io.WriteString(streams.Out, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func packagesOf(r *dataset.CheckResult) string {
	switch len(r.Packages) {
	case 0:
		return "no packages (labels.csv names none, so a split will keep successive samples together)"
	case 1:
		return "1 package"
	}
	return fmt.Sprintf("%d packages", len(r.Packages))
}

// printCounts writes a table whose first column is text and whose others are numbers.
func printCounts(b *strings.Builder, plainStyle text.Style, titles []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	cols := make([]table.Column, len(titles))
	for i, title := range titles {
		cols[i] = table.Column{Title: title, Right: i > 0}
		for _, row := range rows {
			cols[i].Cells = append(cols[i].Cells, text.Plain(row[i]))
		}
	}
	b.WriteString("\n")
	for _, l := range table.Lines(cols, len(rows), 0) {
		b.WriteString(plainStyle.Draw(l, 0) + "\n")
	}
}
