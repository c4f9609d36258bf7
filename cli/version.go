package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// The lowest Kubernetes that Plumbline works with, as charts/plumbline/Chart.yaml has it too; a test holds them together.
const (
	lowestMajor = 1
	lowestMinor = 31
)

// versionOptions are what `plumb version` was asked.
type versionOptions struct {
	*cluster
	client bool
}

func newVersionCmd(c *cluster) *cobra.Command {
	o := &versionOptions{cluster: c}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of plumb, of the cluster, and of the API installed in it",
		Example: `  plumb version
  plumb version --client   # asks no cluster`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.client, "client", false, "do not ask the cluster")
	return cmd
}

func (o *versionOptions) run(context.Context) error {
	fmt.Fprintf(o.Out, "plumb       %s (wire %s, %s, %s/%s)\n", wire.Release, wire.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if o.client {
		return nil
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	dc, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", cfg.Host, err)
	}
	server, err := dc.ServerVersion()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", cfg.Host, err)
	}
	fmt.Fprintf(o.Out, "kubernetes  %s\n", clean(server.GitVersion))
	_, err = dc.ServerResourcesForGroupVersion(api.GroupVersion.String())
	switch {
	case apierrors.IsNotFound(err):
		fmt.Fprintf(o.Out, "plumbline   not installed\n")
	case err != nil:
		return fmt.Errorf("ask %s for %s: %w", cfg.Host, api.GroupVersion, err)
	default:
		fmt.Fprintf(o.Out, "plumbline   %s\n", api.GroupVersion)
	}
	return tooOld(server)
}

// tooOld refuses a server below the lowest version. Some providers write the minor version as "29+".
func tooOld(v *version.Info) error {
	major, err1 := strconv.Atoi(v.Major)
	minor, err2 := strconv.Atoi(strings.TrimRight(v.Minor, "+"))
	if err1 != nil || err2 != nil || major > lowestMajor || major == lowestMajor && minor >= lowestMinor {
		return nil
	}
	return fmt.Errorf("kubernetes %s is too old: Plumbline needs %d.%d or newer, for the rules in its CRDs\nUpgrade the cluster, or use another one with --context", clean(v.GitVersion), lowestMajor, lowestMinor)
}
