package metrics

import (
	"net/http"
	"strconv"
	"strings"
)

// verbs are the requests that change something, by their HTTP method.
var verbs = map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}

// CountWrites counts what passes through a transport to the API server. It sits there, and not in the client, because
// events and the lease are written by clients of their own.
func CountWrites(next http.RoundTripper) http.RoundTripper { return writes{next} }

type writes struct{ next http.RoundTripper }

func (w writes) RoundTrip(r *http.Request) (*http.Response, error) {
	verb, writes := verbs[r.Method]
	if !writes {
		return w.next.RoundTrip(r)
	}
	code := "none" // no answer: it may have been carried out or not
	answer, err := w.next.RoundTrip(r)
	if err == nil {
		code = strconv.Itoa(answer.StatusCode)
	}
	Writes.WithLabelValues(verb, resource(r.URL.Path), code).Inc()
	return answer, err
}

// resource is what a path of the API names, a subresource with it: trainingruns/status of
// /apis/plumbline.dev/v1alpha1/namespaces/lab/trainingruns/sweep/status. No name of an object is in it.
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
