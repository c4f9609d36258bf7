package version

import (
	"cmp"
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
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/text"
	"plumbline.dev/plumbline/wire"
)

// The lowest version of Kubernetes that Plumbline works with. charts/plumbline/Chart.yaml has the same version, which a
// test checks.
const (
	lowestMajor = 1
	lowestMinor = 31
)

// Options holds the arguments and flags of `plumb version`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Client bool
	Output output.Flag
}

// versions is what -o json and -o yaml print. With --client, Kubernetes and Plumbline are left out; Plumbline is also
// left out if its API is not installed.
type versions struct {
	Plumb      plumbVersion  `json:"plumb"`
	Kubernetes *version.Info `json:"kubernetes,omitempty"`
	Plumbline  string        `json:"plumbline,omitempty"` // the API version that is installed in the cluster
}

// plumbVersion is the version of this program and of what it was built with.
type plumbVersion struct {
	Release  string `json:"release"`
	Wire     string `json:"wire"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Own returns the version of this program.
func Own() plumbVersion {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	return plumbVersion{Release: wire.Release, Wire: wire.Version, Go: runtime.Version(), Platform: platform}
}

// String returns the version as the line that `plumb version` and `plumb --version` print.
func (v plumbVersion) String() string {
	return fmt.Sprintf("plumb       %s (wire %s, %s, %s)", v.Release, v.Wire, v.Go, v.Platform)
}

// NewCmdVersion returns `plumb version`. runF, if not nil, receives the options instead of runVersion.
func NewCmdVersion(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runVersion
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of plumb, of the cluster, and of the API installed in it",
		Example: `  # Print all versions, and fail if the cluster's Kubernetes is too old
  plumb version

  # Print the version of plumb only, without a cluster
  plumb version --client

  # In a script: print the version of Kubernetes
  plumb version -o json | jq -r .kubernetes.gitVersion`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.Client, "client", false, "print the version of plumb only, without connecting to a cluster")
	o.Output.AddTo(cmd, "json", "yaml")
	return cmd
}

func runVersion(_ context.Context, o *Options) error {
	v := versions{Plumb: Own()}
	if o.Output.Format == "" {
		fmt.Fprintln(o.IO.Out, v.Plumb) // before asking the cluster, which may not answer
	}
	var tooOld error
	if !o.Client {
		if err := o.ask(&v); err != nil {
			return err
		}
		tooOld = checkLowest(v.Kubernetes)
	}
	if o.Output.Format != "" {
		return cmp.Or(o.Output.PrintDocument(v, o.IO.Out), tooOld)
	}
	return tooOld
}

// ask reads the versions of Kubernetes and of the API from the cluster into v. Without -o it prints them, too.
func (o *Options) ask(v *versions) error {
	cfg, err := o.Cluster.Config()
	if err != nil {
		return err
	}
	dc, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", cfg.Host, err)
	}
	if v.Kubernetes, err = dc.ServerVersion(); err != nil {
		return fmt.Errorf("ask %s for its version: %w", cfg.Host, err)
	}
	_, err = dc.ServerResourcesForGroupVersion(api.GroupVersion.String())
	switch {
	case apierrors.IsNotFound(err): // the API is not installed
	case err != nil:
		return fmt.Errorf("ask %s for %s: %w", cfg.Host, api.GroupVersion, err)
	default:
		v.Plumbline = api.GroupVersion.String()
	}
	if o.Output.Format == "" {
		fmt.Fprintf(o.IO.Out, "kubernetes  %s\nplumbline   %s\n",
			text.Clean(v.Kubernetes.GitVersion), cmp.Or(v.Plumbline, "not installed"))
	}
	return nil
}

// checkLowest returns an error if the server is older than the lowest version. Some providers write the minor version
// as "29+".
func checkLowest(v *version.Info) error {
	major, err1 := strconv.Atoi(v.Major)
	minor, err2 := strconv.Atoi(strings.TrimRight(v.Minor, "+"))
	if err1 != nil || err2 != nil || major > lowestMajor || major == lowestMajor && minor >= lowestMinor {
		return nil
	}
	return fmt.Errorf("kubernetes %s is too old: Plumbline needs %d.%d or newer for the rules in its CRDs\n"+
		"Upgrade the cluster, or choose another cluster with --context",
		text.Clean(v.GitVersion), lowestMajor, lowestMinor)
}
