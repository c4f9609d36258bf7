package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Publication is the one document that a publishing Job is given: take this checkpoint, make it that version of a model.
// The Job verifies every digest, exports a SavedModel, replays the manifest's golden predictions and then makes
// <registry>/<model>/<number>/ visible whole, or not at all.
type Publication struct {
	Version    string        `json:"version"`
	Namespace  string        `json:"namespace"`
	Model      string        `json:"model"`
	Number     int64         `json:"number"`   // the version, counted from 1
	Registry   string        `json:"registry"` // file:// directory
	Checkpoint CheckpointRef `json:"checkpoint"`
	Run        Run           `json:"run"`
	Trial      string        `json:"trial"`
	Scratch    string        `json:"scratch"`
	Result     string        `json:"result"` // the file that receives the pod's last word
}

// DecodePublication reads a Publication and refuses one that cannot be obeyed.
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
	need(validToken(p.Model), "model %q must be letters, digits and dashes", p.Model)
	need(p.Number >= 1, "number %d is below 1", p.Number)
	need(strings.HasPrefix(p.Registry, "file://"), "registry %q is not a file:// location", p.Registry)
	need(strings.HasPrefix(p.Checkpoint.URI, "file://"), "checkpoint.uri %q is not a file:// location", p.Checkpoint.URI)
	need(isDigest(p.Checkpoint.Digest), "checkpoint.digest %q is not a sha256: digest", p.Checkpoint.Digest)
	return p, errors.Join(errs...)
}
