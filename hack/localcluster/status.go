package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/hack/localcluster/supervisor"
)

func statusCommand(t *target) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the components; exit 1 if one of them is not ready",
		Example: `  localcluster status
  localcluster status -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("unknown output format %q: -o takes json", output)
			}
			c, err := t.openRunning()
			if err != nil {
				return err
			}
			all, err := supervisor.NewClient(c).Status(cmd.Context())
			if err != nil {
				return err
			}
			notReady := 0
			rows := make([]statusRow, len(all))
			for i, st := range all {
				rows[i] = statusRow{Status: st, State: "Ready"}
				if !st.Running {
					rows[i].State = "Dead"
				} else if err := readiness[st.Name](cmd.Context(), c); err != nil {
					rows[i].State, rows[i].Why = "NotReady", err.Error()
				}
				if rows[i].State != "Ready" {
					notReady++
				}
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if err := enc.Encode(rows); err != nil {
					return err
				}
			} else {
				printStatus(cmd, c.Dir, rows)
			}
			if notReady > 0 {
				return fmt.Errorf("%d of %d components are not ready; `localcluster up` starts the dead ones",
					notReady, len(rows))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "output format: json (default: a table)")
	return cmd
}

type statusRow struct {
	supervisor.Status
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
}

func printStatus(cmd *cobra.Command, dir string, rows []statusRow) {
	fmt.Fprintln(cmd.OutOrStdout(), "cluster", dir)
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "COMPONENT\tSTATE\tPID\tAGE\tNOTE")
	for _, r := range rows {
		pid, age, note := "-", "-", r.Why
		if r.Running {
			pid, age = fmt.Sprint(r.PID), time.Since(*r.Since).Round(time.Second).String()
		} else if note = r.Ended; note == "" {
			note = "never started"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.State, pid, age, note)
	}
}
