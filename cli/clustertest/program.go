package clustertest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/root"
	"plumbline.dev/plumbline/cli/text"
)

// Program is plumb with a fake cluster.
type Program struct {
	Tree     func(*factory.Factory) *root.Plumb
	Objects  []client.Object   // what the cluster holds at first
	Funcs    interceptor.Funcs // called instead of the fake client's methods
	In       io.Reader         // nil: empty
	Out, Err bytes.Buffer
	Client   client.WithWatch // nil until a command has connected
}

// newCmd is the function NewCmd<Verb> that the package of each verb exports.
type newCmd[O any] = func(f *factory.Factory, runF func(context.Context, *O) error) *cobra.Command

// Verbs returns a function that makes a command tree of only these verbs.
func Verbs[O any](newCmds ...newCmd[O]) func(*factory.Factory) *root.Plumb {
	return func(f *factory.Factory) *root.Plumb {
		var all []*cobra.Command
		for _, cmd := range newCmds {
			all = append(all, cmd(f, nil))
		}
		return root.New(f, "", all...)
	}
}

// Dial creates the fake client at its first call and returns the same one later, so that a test can read the objects
// that a command left.
func (p *Program) Dial(*rest.Config) (client.WithWatch, error) {
	if p.Client == nil {
		byName := func(o client.Object) []string { return []string{o.GetName()} }
		p.Client = fake.NewClientBuilder().
			WithScheme(cluster.Scheme()).WithObjects(p.Objects...).WithInterceptorFuncs(p.Funcs).
			WithIndex(&api.TrainingRun{}, metav1.ObjectNameField, byName).
			WithIndex(&api.ModelVersion{}, metav1.ObjectNameField, byName).
			WithIndex(&batchv1.Job{}, metav1.ObjectNameField, byName).Build()
	}
	return p.Client, nil
}

// Factory returns what the verbs are created with: the program's buffers, the fake cluster, and a clock that always
// shows Now.
func (p *Program) Factory() *factory.Factory {
	streams := &iostreams.IOStreams{In: p.In, Out: &p.Out, ErrOut: &p.Err, Style: text.Style{Glyphs: text.Unicode}}
	if p.In == nil {
		streams.In = strings.NewReader("")
	}
	f := factory.New(streams)
	f.Cluster.Dial = p.Dial
	f.Now = func() time.Time { return Now }
	return f
}

// Run executes a command line in namespace inspection and returns its exit code.
func (p *Program) Run(t *testing.T, args ...string) int {
	t.Helper()
	return p.RunContext(t, t.Context(), args...)
}

// RunContext executes a command line that ctx can cancel, in namespace inspection, and returns its exit code.
func (p *Program) RunContext(t *testing.T, ctx context.Context, args ...string) int {
	t.Helper()
	return p.Tree(p.Factory()).Execute(ctx, CommandLine(t, args...))
}

// CommandLine returns args after flags that keep a test from connecting to the developer's own cluster.
func CommandLine(t *testing.T, args ...string) []string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--kubeconfig", kubeconfig, "--server", "http://nowhere.invalid", "-n", "inspection"}
	return append(flags, args...)
}
