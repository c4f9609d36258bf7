package metrics

import (
	"net/http"
	"strconv"
	"strings"
)

// verbs maps each HTTP method that changes something to Kubernetes' verb.
var verbs = map[string]string{
	http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// CountWrites returns a transport to the API server that counts in Writes each request that changes something. The
// counter is in the transport because the operator has several clients: events and the lease are written by others.
func CountWrites(next http.RoundTripper) http.RoundTripper { return writeCounter{next} }

type writeCounter struct{ next http.RoundTripper }

// RoundTrip sends the request, and counts it if it changes something.
func (w writeCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	verb, isWrite := verbs[r.Method]
	if !isWrite {
		return w.next.RoundTrip(r)
	}
	code := "none" // There was no answer: the API server may have carried out the request or not.
	answer, err := w.next.RoundTrip(r)
	if err == nil {
		code = strconv.Itoa(answer.StatusCode)
	}
	Writes.WithLabelValues(verb, resource(r.URL.Path), code).Inc()
	return answer, err
}

// resource returns the resource that a path of the API names, with the subresource and without the object's name:
// trainingruns/status for /apis/plumbline.dev/v1alpha1/namespaces/lab/trainingruns/sweep/status. For other paths it
// returns "other".
func resource(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return "other"
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	if len(parts) > 2 {
		return parts[0] + "/" + parts[2]
	}
	return parts[0]
}
