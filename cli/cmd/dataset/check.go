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

// CheckOptions holds the argument and the flags of `plumb dataset check`.
type CheckOptions struct {
	IO *iostreams.IOStreams

	Dir         string
	Corrections string // a file; empty: the one that dataset.yaml names
	Output      output.Flag
}

const checkHelp = `Read a whole data set, count its samples, and list all problems at once, each with its file and line.

The command decodes every image, and counts samples by class and by package. It finds missing and unreadable images,
channels of unequal size, copies of images, unknown labels, positions outside the grid, two samples in one cell, and
corrections that do not fit. It never writes into the set.

It exits with 1 if there is a problem.`

func newCmdCheck(f *factory.Factory, runF func(context.Context, *CheckOptions) error) *cobra.Command {
	if runF == nil {
		runF = runCheck
	}
	o := &CheckOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Read a whole data set, count its samples, and list all problems",
		Long:  checkHelp,
		Example: `  # Count the samples of a set and list its problems
  plumb dataset check ./erasers

  # Try a corrections file
  plumb dataset check ./erasers --corrections review.csv

  # In a script: print the number of samples in each class
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
		"use this corrections file instead of the one that dataset.yaml names")
	o.Output.AddTo(cmd, "json")
	return cmd
}

func runCheck(ctx context.Context, o *CheckOptions) error {
	bar := newProgressBar(o.IO, "reading "+text.Clean(o.Dir))
	result, err := dataset.Check(ctx, o.Dir, o.Corrections, bar.show)
	bar.finish()
	if err != nil {
		return err
	}
	if o.Output.Format == "json" {
		encoder := json.NewEncoder(o.IO.Out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(result)
	} else {
		err = printResult(o.IO, result)
	}
	if err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	if n := len(result.Problems); n > 0 {
		return fmt.Errorf("data set %s has %s, listed above", text.Clean(o.Dir), counted(n, "problem"))
	}
	return nil
}

// printResult prints the result for people. The problems come last, because the end of the output is what a reader of a
// terminal sees first.
func printResult(streams *iostreams.IOStreams, r *dataset.CheckResult) error {
	style := streams.PlainStyle()
	var b strings.Builder
	if r.Name != "" {
		channels := text.Clean(strings.Join(r.Channels, ", "))
		fmt.Fprintf(&b, "%s: %s in %s, %s (%s)\n", text.Clean(r.Name),
			counted(r.Samples, "sample"), countPackages(r), counted(len(r.Channels), "channel"), channels)
		if g := r.Grid; g != nil {
			fmt.Fprintf(&b, "grid: images of whole packages, %s of %s\n",
				counted(g.Rows, "row"), counted(g.Columns, "cell"))
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
		fmt.Fprintf(&b, "\nNo problems. Digests: data %s, labels %s\n", r.Digests.Data, r.Digests.Labels)
	} else {
		b.WriteString("\nProblems\n")
		for _, p := range r.Problems {
			b.WriteString(text.Clean(p.String()) + "\n")
		}
	}
	_, err := io.WriteString(streams.Out, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func countPackages(r *dataset.CheckResult) string {
	if len(r.Packages) == 0 {
		return "no packages (labels.csv names none, so a split keeps blocks of successive samples together)"
	}
	return counted(len(r.Packages), "package")
}

// counted returns a number and its noun, such as "1 package" or "2 packages".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printCounts writes a table to b. The first column holds text, and all others hold numbers.
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
