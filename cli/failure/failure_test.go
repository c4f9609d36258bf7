package failure

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
)

func TestExplain(t *testing.T) {
	gk := schema.GroupKind{Group: "plumbline.dev", Kind: "TrainingRun"}
	tests := map[string]struct {
		err  error
		want string
	}{
		"nothing":             {nil, ""},
		"words on the screen": {Reported(errors.New("x")), ""},
		"an API that is not there": {
			&meta.NoKindMatchError{GroupKind: gk, SearchedVersions: []string{"v1alpha1"}},
			"Plumbline is not installed in this cluster: config/README.md has the steps " +
				"(build and push the images first).\nOr is it another cluster?",
		},
		"rights that are missing": {
			apierrors.NewForbidden(schema.GroupResource{Resource: "trainingruns"}, "x", errors.New("no")),
			"kubectl auth can-i --list",
		},
		"no kubeconfig":              {clientcmd.ErrEmptyConfig, "error: there is no kubeconfig\nSet KUBECONFIG"},
		"a mistake in typing":        {errors.New("unknown flag: --x"), "See: plumb list --help"},
		"escapes in an API's answer": {apierrors.NewBadRequest("a\x1b[2Jb"), "error: ab"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Explain(tt.err, "See: plumb list --help")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want it to hold %q", got, tt.want)
			}
		})
	}
}
