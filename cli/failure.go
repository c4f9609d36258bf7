package main

import (
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/clientcmd"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// usageError is a mistake in flags or arguments that cobra could not see.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// timeoutError says that what was waited for has not happened yet.
type timeoutError struct{ error }

// reported is a failure whose words are on the screen already.
type reported struct{ error }

// explain turns an error into what a person reads: the error, then the next step where there is one; usage is that of a mistake in
// the command line.
func explain(err error, usage string) string {
	var done reported
	if err == nil || errors.As(err, &done) {
		return ""
	}
	text := "error: " + err.Error()
	if meta.IsNoMatchError(err) { // the client tells this in several ways, none for people
		text = fmt.Sprintf("error: this cluster does not know %s", api.GroupVersion)
	}
	if clientcmd.IsEmptyConfig(err) { // client-go proposes a variable that it does not read
		text = "error: there is no kubeconfig"
	}
	var status *apierrors.StatusError
	if errors.As(err, &status) { // the API server quotes what users wrote
		text = clean(text)
	}
	if step := nextStep(err, usage); step != "" {
		text += "\n" + step
	}
	return text
}

func nextStep(err error, usage string) string {
	var network *net.OpError
	switch {
	case meta.IsNoMatchError(err):
		return "Plumbline is not installed in this cluster: config/README.md has the steps (build and push the images first).\nOr is it another cluster? Look at: kubectl config get-contexts, and pass --context."
	case clientcmd.IsEmptyConfig(err):
		return "Set KUBECONFIG or pass --kubeconfig; `make up` starts a cluster on this machine and prints its own."
	case apierrors.IsUnauthorized(err):
		return "The cluster does not accept these credentials. Log in again, or pass --context or --kubeconfig."
	case apierrors.IsForbidden(err):
		return "Ask for these rights, or see what you have: kubectl auth can-i --list"
	case errors.As(err, &network):
		return "The cluster cannot be reached. Is it running, and is this the right one? Look at: kubectl cluster-info"
	}
	return usage
}
