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

// usageError is a mistake in flags or arguments that cobra could not see.
type usageError struct{ error }

// timeoutError says that what was waited for has not happened yet.
type timeoutError struct{ error }

// reportedError is a failure whose words are on the screen already.
type reportedError struct{ error }

// Usage returns err as a mistake in flags or arguments.
func Usage(err error) error { return usageError{err} }

// Usagef returns a mistake in flags or arguments, in the words of fmt.Errorf.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Timeoutf returns the error of a time limit that has passed, in the words of fmt.Errorf.
func Timeoutf(format string, args ...any) error { return timeoutError{fmt.Errorf(format, args...)} }

// Reported returns err as a failure that Explain leaves out, because its words are on the screen already.
func Reported(err error) error { return reportedError{err} }

// IsUsage reports whether err is a mistake in flags or arguments.
func IsUsage(err error) bool {
	var e usageError
	return errors.As(err, &e)
}

// IsTimeout reports whether err is that of a time limit.
func IsTimeout(err error) bool {
	var e timeoutError
	return errors.As(err, &e)
}

// Explain turns an error into what a person reads: the error, then the next step where there is one; usage is that of a
// mistake in the command line.
func Explain(err error, usage string) string {
	var done reportedError
	if err == nil || errors.As(err, &done) {
		return ""
	}
	message := "error: " + err.Error()
	if meta.IsNoMatchError(err) { // the client tells this in several ways, none for people
		message = fmt.Sprintf("error: this cluster does not know %s", api.GroupVersion)
	}
	if clientcmd.IsEmptyConfig(err) { // client-go proposes a variable that it does not read
		message = "error: there is no kubeconfig"
	}
	var status *apierrors.StatusError
	if errors.As(err, &status) { // the API server quotes what users wrote
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
		return "Plumbline is not installed in this cluster: config/README.md has the steps " +
			"(build and push the images first).\n" +
			"Or is it another cluster? Look at: kubectl config get-contexts, and pass --context."
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
