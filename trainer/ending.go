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

// ending is an error with its meaning for the program's exit code and for a pod's termination message.
type ending struct {
	code   int    // the exit code, see wire/exit.go
	reason string // one CamelCase word
	where  string // file and line, or the object, that the error is about
	err    error
	logged bool // the error is in the log already
}

func (e *ending) Error() string { return e.err.Error() }
func (e *ending) Unwrap() error { return e.err }

// settingsError returns the ending of a program whose settings or flags are wrong.
func settingsError(err error) error {
	return &ending{code: wire.ExitSettings, reason: "BadSettings", err: err}
}

// dataError returns the ending of a program whose data or checkpoint is wrong.
func dataError(where string, err error) error {
	return &ending{code: wire.ExitData, reason: "BadData", where: where, err: err}
}

// missingError returns the ending of a program whose input does not exist.
func missingError(where string, err error) error {
	return &ending{code: wire.ExitNoInput, reason: "NoInput", where: where, err: err}
}

// storeError returns the ending of a program that cannot read or write a store or a disk.
func storeError(where string, err error) error {
	return &ending{code: wire.ExitStore, reason: "StoreFailed", where: where, err: err}
}

// accumulateHint says what to change when a step does not fit into the device's memory.
const accumulateHint = "accumulate divides a batch into parts: twice its present value halves the memory of a step, " +
	"and trains on the same batch"

// endingOf returns the ending for an error. It treats an error that it does not know as a bug in this program.
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
	case errors.Is(err, loop.ErrMemory): // a retry would end in the same way
		err = fmt.Errorf("%w; %s", err, accumulateHint)
		return &ending{code: wire.ExitSettings, reason: "OutOfMemory", err: err}
	case errors.Is(err, loop.ErrStore):
		return &ending{code: wire.ExitStore, reason: "StoreFailed", err: err}
	case errors.Is(err, loop.ErrInterrupted), errors.Is(err, context.Canceled):
		return &ending{code: wire.ExitInterrupted, reason: "Interrupted", err: err}
	case errors.Is(err, checkpoint.ErrDamaged):
		return &ending{code: wire.ExitData, reason: "DamagedCheckpoint", err: err}
	}
	return &ending{code: wire.ExitInternal, reason: "Internal", err: err}
}

// lineOf returns file and line of a problem, or the file if there is no line.
func lineOf(p dataset.Problem) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// writeResult writes a pod's result to file, which the kubelet reads as the termination message. It does nothing if
// file is empty.
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

// isMissing reports whether a path does not exist. It is false for a path that exists but cannot be read.
func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) // a file where a directory should be
}
