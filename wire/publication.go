package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Publication is the one document that a publishing Job receives. It says which checkpoint becomes which version of a
// model. The Job verifies every digest, exports a SavedModel, compares its predictions with the manifest's golden ones,
// and then makes <registry>/<model>/<number>/ visible, either complete or not at all.
type Publication struct {
	Version    string        `json:"version"`
	Namespace  string        `json:"namespace"`
	Model      string        `json:"model"`
	Number     int64         `json:"number"`   // the model's version, counted from 1
	Registry   string        `json:"registry"` // file:// location of a directory
	Checkpoint CheckpointRef `json:"checkpoint"`
	Run        Run           `json:"run"`
	Trial      string        `json:"trial"`
	Scratch    string        `json:"scratch"` // a directory for work that may be lost with the pod
	Result     string        `json:"result"`  // the file to which the pod writes its Result
}

// DecodePublication reads a Publication. Its error names every field that cannot be obeyed.
func DecodePublication(b []byte) (Publication, error) {
	var p Publication
	if err := decodeStrict(b, &p); err != nil {
		return Publication{}, fmt.Errorf("read %s: %w", EnvPublication, err)
	}
	errs := []error{CheckVersion(p.Version)}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(validToken(p.Model), "model %q must have %s", p.Model, tokenForm)
	need(p.Number >= 1, "number %d is below 1", p.Number)
	need(strings.HasPrefix(p.Registry, fileScheme), "registry %q must begin with %s", p.Registry, fileScheme)
	need(strings.HasPrefix(p.Checkpoint.URI, fileScheme),
		"checkpoint.uri %q must begin with %s", p.Checkpoint.URI, fileScheme)
	need(isDigest(p.Checkpoint.Digest), "checkpoint.digest %q must begin with %s", p.Checkpoint.Digest, digestPrefix)
	return p, errors.Join(errs...)
}
