package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// newDatasetCmd holds the verbs that need no cluster: a set is looked at, or made, where it lies.
func newDatasetCmd(streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataset",
		Short: "Check a labelled image set, or make one that looks real",
		Long: `Check a labelled image set before training on it, or make one that looks like the real thing.

A set is a directory:
  dataset.yaml                 name, channels in order, files, labels, corrections, range16, grid
  labels.csv                   id,label,package,position     (label: normal or defect)
  images/{channel}/{id}.png    one grey PNG, JPEG or TIFF per sample and channel, 8 or 16 bit

With a grid, images/{channel}/{package}.png shows a whole package, and a sample is the cell at its position. docs/dataset.md has it all.`,
		Example: `  plumb dataset check ./erasers
  plumb dataset synth --out ./erasers`,
		Args: cobra.NoArgs, // with RunE: a verb that does not exist is refused
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDatasetCheckCmd(streams), newDatasetSynthCmd(streams))
	return cmd
}

// progressBar is one line on a terminal; elsewhere it is silent.
type progressBar struct {
	screen *screen // nil: nothing is shown
	style  style
	what   string
	shown  string
}

func newProgressBar(w io.Writer, what string) *progressBar {
	return &progressBar{screen: terminal(w), style: detectStyle(os.Getenv), what: what}
}

// show draws done of total, when that looks different from before.
func (b *progressBar) show(done, total int) {
	if b.screen == nil {
		return
	}
	const cells = 30
	full := string(b.style.bar[len(b.style.bar)-1])
	empty := string(b.style.bar[0])
	part := done * cells / total
	counts := fmt.Sprintf("%3d %%", 100*done/total)
	l := fmt.Sprintf("%s  %s%s  %s", b.what, strings.Repeat(full, part), strings.Repeat(empty, cells-part), counts)
	if l == b.shown {
		return
	}
	b.shown = l
	width, _ := b.screen.size()
	b.screen.draw([]string{truncate(l, width-1, b.style.cut)})
}

// close takes the bar away: what follows says how it ended.
func (b *progressBar) close() {
	if b.shown != "" {
		b.screen.draw(nil)
		b.screen.close()
	}
}
