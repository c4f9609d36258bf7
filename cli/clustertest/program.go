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

// Program is plumb before a fake cluster.
type Program struct {
	Tree     func(*factory.Factory) *root.Plumb
	Objects  []client.Object
	Funcs    interceptor.Funcs // asked before the fake client
	In       io.Reader         // nil: empty
	Out, Err bytes.Buffer
	Client   client.WithWatch // nil until the first command that connects
}

// newCmd is what each verb exports: NewCmd<Verb>.
type newCmd[O any] = func(f *factory.Factory, runF func(context.Context, *O) error) *cobra.Command

// Verbs returns a command tree that has these verbs and no others.
func Verbs[O any](newCmds ...newCmd[O]) func(*factory.Factory) *root.Plumb {
	return func(f *factory.Factory) *root.Plumb {
		var all []*cobra.Command
		for _, cmd := range newCmds {
			all = append(all, cmd(f, nil))
		}
		return root.New(f, "", all...)
	}
}

// Dial makes the fake client, once, so that a test can look at what a command left behind.
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

// Factory returns what the verbs are made with: the program's buffers, the fake cluster, and a clock that stands at
// noon.
func (p *Program) Factory() *factory.Factory {
	streams := &iostreams.IOStreams{In: p.In, Out: &p.Out, ErrOut: &p.Err, Style: text.Style{Glyphs: text.Unicode}}
	if p.In == nil {
		streams.In = strings.NewReader("")
	}
	f := factory.New(streams)
	f.Cluster.Dial = p.Dial
	f.Now = func() time.Time { return Noon }
	return f
}

// Run executes a command line in namespace inspection and returns its exit code.
func (p *Program) Run(t *testing.T, args ...string) int {
	t.Helper()
	return p.RunContext(t, t.Context(), args...)
}

// RunContext executes a command line that ends with ctx.
func (p *Program) RunContext(t *testing.T, ctx context.Context, args ...string) int {
	t.Helper()
	return p.Tree(p.Factory()).Execute(ctx, CommandLine(t, args...))
}

// CommandLine returns args after the flags that keep the developer's own cluster out of a test.
func CommandLine(t *testing.T, args ...string) []string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--kubeconfig", kubeconfig, "--server", "http://nowhere.invalid", "-n", "inspection"}
	return append(flags, args...)
}
