package dataset

import (
	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/cli/factory"
)

const help = `Check a labelled image set before you train on it, or make a synthetic one that looks real.

A data set is a directory:
  dataset.yaml                 name, channels in order, files, labels, corrections, range16, grid
  labels.csv                   id,label,package,position     (label: normal or defect)
  images/{channel}/{id}.png    one grey PNG, JPEG or TIFF per sample and channel, 8 or 16 bit

With a grid, the image images/{channel}/{package}.png shows a whole package, and each cell shows the sample at that
position. docs/dataset.md describes all fields and rules.`

// NewCmdDataset returns `plumb dataset` with its verbs check and synth, which need no cluster.
func NewCmdDataset(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataset",
		Short: "Check a labelled image set, or make one that looks real",
		Long:  help,
		Example: `  # List all problems of a set
  plumb dataset check ./erasers

  # Make a synthetic set
  plumb dataset synth --out ./erasers`,
		// Without RunE cobra would accept an unknown verb, print the help and exit with 0.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCmdCheck(f, nil), newCmdSynth(f, nil))
	return cmd
}
