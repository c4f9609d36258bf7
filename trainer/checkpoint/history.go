package checkpoint

import (
	"fmt"
	"io"
	"slices"

	"plumbline.dev/plumbline/wire"
)

// History returns the reports in the checkpoint in a local directory. It verifies them as Load does, but does not
// read the weights, which may be hundreds of megabytes.
func History(dir string) ([]wire.Report, error) {
	digest, err := recordedDigest(dir)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", dir, err)
	}
	m, err := readManifest(dir, digest)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", dir, err)
	}
	i := slices.IndexFunc(m.Files, func(f wire.File) bool { return f.Name == wire.HistoryFile })
	if i < 0 {
		return nil, fmt.Errorf("read the history of %s: %w: its manifest does not list %s",
			dir, ErrDamaged, wire.HistoryFile)
	}
	var history []wire.Report
	err = readVerified(dir, m.Files[i], func(r io.Reader) (err error) {
		history, err = readHistory(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", dir, err)
	}
	return history, nil
}
