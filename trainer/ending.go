package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

// ending is how the program ends: what an error means for its exit code and for a pod's last word.
type ending struct {
	code   int
	reason string // one CamelCase word
	where  string // file and line, or the object, that the error is about
	err    error
	logged bool // it stands in the log already
}

func (e *ending) Error() string { return e.err.Error() }
func (e *ending) Unwrap() error { return e.err }

func settingsError(err error) error {
	return &ending{code: wire.ExitSettings, reason: "BadSettings", err: err}
}

func dataError(where string, err error) error {
	return &ending{code: wire.ExitData, reason: "BadData", where: where, err: err}
}

func missingError(where string, err error) error {
	return &ending{code: wire.ExitNoInput, reason: "NoInput", where: where, err: err}
}

func storeError(where string, err error) error {
	return &ending{code: wire.ExitStore, reason: "StoreFailed", where: where, err: err}
}

// endingOf is the one table from an error to an ending. Whatever nobody foresaw is our own fault.
func endingOf(err error) *ending {
	var known *ending
	var problems *dataset.ProblemsError
	var diverged *loop.Diverged
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &problems):
		return &ending{code: wire.ExitData, reason: "BadData", where: lineOf(problems.Problems[0]), err: err}
	case errors.As(err, &diverged):
		return &ending{code: wire.ExitDiverged, reason: "Diverged", err: err}
	case errors.Is(err, loop.ErrMemory): // it would happen again
		return &ending{code: wire.ExitSettings, reason: "OutOfMemory", err: fmt.Errorf(
			"%w; accumulate works through the same batch in smaller parts: twice its present value halves what a step needs", err)}
	case errors.Is(err, loop.ErrNotKept):
		return &ending{code: wire.ExitStore, reason: "StoreFailed", err: err}
	case errors.Is(err, loop.ErrInterrupted), errors.Is(err, context.Canceled):
		return &ending{code: wire.ExitInterrupted, reason: "Interrupted", err: err}
	case errors.Is(err, checkpoint.ErrDamaged):
		return &ending{code: wire.ExitData, reason: "DamagedCheckpoint", err: err}
	}
	return &ending{code: wire.ExitInternal, reason: "Internal", err: err}
}

func lineOf(p dataset.Problem) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// writeResult writes a pod's result where the kubelet looks for it.
func writeResult(file string, r wire.Result) error {
	if file == "" {
		return nil
	}
	failpoint.Here("result.before")
	if err := os.WriteFile(file, r.Encode(), 0o644); err != nil {
		return storeError(file, fmt.Errorf("write the result: %w", err))
	}
	failpoint.Here("result.after")
	return nil
}

// isMissing says that a path is not there, and not merely out of reach.
func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) // a file where a directory should be
}
