package failure

import (
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/clientcmd"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/text"
)

// usageError is a mistake in flags or arguments that a verb found and cobra could not find.
type usageError struct{ error }

// timeoutError says that a time limit passed before the awaited event happened.
type timeoutError struct{ error }

// reportedError is a failure whose message has already been printed.
type reportedError struct{ error }

// Usage marks err as a mistake in flags or arguments.
func Usage(err error) error { return usageError{err} }

// Usagef formats an error as fmt.Errorf does and marks it as a mistake in flags or arguments.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Timeoutf formats an error as fmt.Errorf does and marks it as a time limit that has passed.
func Timeoutf(format string, args ...any) error { return timeoutError{fmt.Errorf(format, args...)} }

// Reported marks err as already printed: Explain returns nothing for it.
func Reported(err error) error { return reportedError{err} }

// IsUsage reports whether err is a mistake in flags or arguments.
func IsUsage(err error) bool {
	var e usageError
	return errors.As(err, &e)
}

// IsTimeout reports whether err says that a time limit has passed.
func IsTimeout(err error) bool {
	var e timeoutError
	return errors.As(err, &e)
}

// Explain returns the message for the user: the error, then the next step on a line below. usage is the next step where
// no better one is known; it may be empty. Explain returns "" for no error and for one that Reported has marked.
func Explain(err error, usage string) string {
	var reported reportedError
	if err == nil || errors.As(err, &reported) {
		return ""
	}
	message := "error: " + err.Error()
	if meta.IsNoMatchError(err) { // the client has several messages for this, none of them helps a user
		message = fmt.Sprintf("error: this cluster does not have the API %s", api.GroupVersion)
	}
	if clientcmd.IsEmptyConfig(err) { // client-go's message names an environment variable that it does not read
		message = "error: there is no kubeconfig"
	}
	var status *apierrors.StatusError
	if errors.As(err, &status) { // the API server quotes text that users wrote
		message = text.Clean(message)
	}
	if step := nextStep(err, usage); step != "" {
		message += "\n" + step
	}
	return message
}

func nextStep(err error, usage string) string {
	var network *net.OpError
	switch {
	case meta.IsNoMatchError(err):
		return "Plumbline is not installed in this cluster. config/README.md says how to install it " +
			"(build and push the images first).\n" +
			"If you meant another cluster: kubectl config get-contexts lists the contexts; choose one with --context."
	case clientcmd.IsEmptyConfig(err):
		return "Set KUBECONFIG or pass --kubeconfig. " +
			"`make up` starts a cluster on this machine and prints the path of its kubeconfig."
	case apierrors.IsUnauthorized(err):
		return "The cluster does not accept these credentials. Log in again, or pass --context or --kubeconfig."
	case apierrors.IsForbidden(err):
		return "Ask an administrator for these rights. To see the rights that you have: kubectl auth can-i --list"
	case errors.As(err, &network):
		return "The cluster cannot be reached. Check that it is running and that it is the right one: " +
			"kubectl cluster-info"
	}
	return usage
}
