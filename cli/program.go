package main

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
)

// program is plumb before a fake cluster.
type program struct {
	tree     func(*factory) *plumb
	objects  []client.Object
	funcs    interceptor.Funcs // asked before the fake client
	in       io.Reader         // nil: empty
	out, err bytes.Buffer
	client   client.WithWatch // nil until the first command that connects
}

// verbs returns a command tree that has these verbs and no others.
func verbs[O any](newCmds ...func(*factory, func(context.Context, *O) error) *cobra.Command) func(*factory) *plumb {
	return func(f *factory) *plumb {
		var all []*cobra.Command
		for _, newCmd := range newCmds {
			all = append(all, newCmd(f, nil))
		}
		return newPlumb(f, "", all...)
	}
}

// dial makes the fake client, once, so that a test can look at what a command left behind.
func (p *program) dial(*rest.Config) (client.WithWatch, error) {
	if p.client == nil {
		byName := func(o client.Object) []string { return []string{o.GetName()} }
		p.client = fake.NewClientBuilder().WithScheme(scheme()).WithObjects(p.objects...).WithInterceptorFuncs(p.funcs).
			WithIndex(&api.TrainingRun{}, metav1.ObjectNameField, byName).
			WithIndex(&api.ModelVersion{}, metav1.ObjectNameField, byName).
			WithIndex(&batchv1.Job{}, metav1.ObjectNameField, byName).Build()
	}
	return p.client, nil
}

// factory returns what the verbs are made with: the program's buffers, the fake cluster, and a clock that stands at noon.
func (p *program) factory() *factory {
	streams := &ioStreams{In: p.in, Out: &p.out, ErrOut: &p.err, style: style{glyphs: unicodeGlyphs}}
	if p.in == nil {
		streams.In = strings.NewReader("")
	}
	f := newFactory(streams)
	f.cluster.dial = p.dial
	f.now = func() time.Time { return noon }
	return f
}

// run executes a command line in namespace inspection and returns its exit code.
func (p *program) run(t *testing.T, args ...string) int {
	t.Helper()
	return p.runContext(t, t.Context(), args...)
}

// runContext executes a command line that ends with ctx.
func (p *program) runContext(t *testing.T, ctx context.Context, args ...string) int {
	t.Helper()
	return p.tree(p.factory()).execute(ctx, commandLine(t, args...))
}

// commandLine returns args after the flags that keep the developer's own cluster out of a test.
func commandLine(t *testing.T, args ...string) []string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--kubeconfig", kubeconfig, "--server", "http://nowhere.invalid", "-n", "inspection"}
	return append(flags, args...)
}
