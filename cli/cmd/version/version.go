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

// The lowest Kubernetes that Plumbline works with, as charts/plumbline/Chart.yaml has it too; a test holds them
// together.
const (
	lowestMajor = 1
	lowestMinor = 31
)

// Options are what `plumb version` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Client bool
	Output output.Flag
}

// versions is what -o json and -o yaml print. What was not asked for, or is not there, is left out.
type versions struct {
	Plumb      plumbVersion  `json:"plumb"`
	Kubernetes *version.Info `json:"kubernetes,omitempty"`
	Plumbline  string        `json:"plumbline,omitempty"` // the API installed in the cluster
}

type plumbVersion struct {
	Release  string `json:"release"`
	Wire     string `json:"wire"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Own returns the versions of this program.
func Own() plumbVersion {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	return plumbVersion{Release: wire.Release, Wire: wire.Version, Go: runtime.Version(), Platform: platform}
}

// String is the line that people read.
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
		Example: `  plumb version
  plumb version --client   # asks no cluster
  plumb version -o json | jq -r .kubernetes.gitVersion`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.Client, "client", false, "do not ask the cluster")
	o.Output.AddTo(cmd, "json", "yaml")
	return cmd
}

func runVersion(_ context.Context, o *Options) error {
	v := versions{Plumb: Own()}
	if o.Output.Format == "" {
		fmt.Fprintln(o.IO.Out, v.Plumb) // before the cluster is asked, which may not answer
	}
	var old error
	if !o.Client {
		if err := o.ask(&v); err != nil {
			return err
		}
		old = tooOld(v.Kubernetes)
	}
	if o.Output.Format != "" {
		return cmp.Or(o.Output.PrintDocument(v, o.IO.Out), old)
	}
	return old
}

// ask adds what the cluster says.
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
	case apierrors.IsNotFound(err):
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

// tooOld refuses a server below the lowest version. Some providers write the minor version as "29+".
func tooOld(v *version.Info) error {
	major, err1 := strconv.Atoi(v.Major)
	minor, err2 := strconv.Atoi(strings.TrimRight(v.Minor, "+"))
	if err1 != nil || err2 != nil || major > lowestMajor || major == lowestMajor && minor >= lowestMinor {
		return nil
	}
	return fmt.Errorf("kubernetes %s is too old: Plumbline needs %d.%d or newer, for the rules in its CRDs\n"+
		"Upgrade the cluster, or use another one with --context",
		text.Clean(v.GitVersion), lowestMajor, lowestMinor)
}
