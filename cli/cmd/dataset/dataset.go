package dataset

import (
	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/cli/factory"
)

// NewCmdDataset holds the verbs that need no cluster: a set is looked at, or made, where it lies.
func NewCmdDataset(f *factory.Factory) *cobra.Command {
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
	cmd.AddCommand(newCmdCheck(f, nil), newCmdSynth(f, nil))
	return cmd
}
