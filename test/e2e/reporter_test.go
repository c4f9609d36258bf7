package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"plumbline.dev/plumbline/trainer/outbox"
	"plumbline.dev/plumbline/wire"
)

// reporterImage is the local cluster's name for this test program, which runs in the pods of scripted runs as a
// reporter. A reporter reports as a trainer does, commits checkpoints that hold only an epoch's number, and ends as the
// run's script says. How the operator reacts can be tested without training. Everything else is real.
const reporterImage = "plumbline.dev/reporter:dev"

// script says, by trial, what each attempt does. Attempts after the last entry do what the last entry says. The words
// of an entry:
//
//	0.7      an epoch with that AUC-PR and a checkpoint; its report is in the stream before the next word is read
//	nan      an epoch that could not be measured
//	hold     wait until the test lets the trial continue; at SIGTERM end as a trainer that has saved itself
//	deaf     ignore SIGTERM and wait for SIGKILL
//	kill     send SIGKILL to itself
//	exit:N   end with that exit code and a trainer's reason for it
//	finish   all epochs are done; exit code 0
type script map[string][]string

// goOnFile returns a path. A reporter that waits at the word hold continues once a file exists there, and deletes the
// file.
func goOnFile(store, runUID, trial string) string {
	return filepath.Join(store, runUID, trial, "go-on")
}

// actAsPod does the work of a pod's container and ends the process, if this process is one. Otherwise it returns.
func actAsPod() {
	var code int
	var err error
	switch {
	case os.Getenv(wire.EnvTrial) != "":
		code, err = runReporter()
	case os.Getenv(wire.EnvPublication) != "":
		err = pretendToPublish()
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = wire.ExitInternal
	}
	os.Exit(code)
}

type reporter struct {
	trial    wire.Trial
	store    string // the directory of all checkpoints
	writer   string
	spool    *outbox.Spool
	sender   *outbox.Sender
	sequence int64
	epoch    int
}

// runReporter follows the script of an attempt, and returns the exit code.
func runReporter() (code int, err error) {
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	t, err := wire.DecodeTrial([]byte(os.Getenv(wire.EnvTrial)))
	if err != nil {
		return 0, err
	}
	var s script
	if err := json.Unmarshal([]byte(os.Getenv("SCRIPT")), &s); err != nil {
		return 0, err
	}
	entries := s[t.Name]
	if len(entries) == 0 {
		return 0, fmt.Errorf("the script has no entry for %s", t.Name)
	}
	r := reporter{trial: t, writer: t.Writer(os.Getenv(wire.EnvPodUID))}
	if r.store, err = wire.LocalPath(t.Checkpoint.URI); err != nil {
		return 0, err
	}
	if r.spool, err = outbox.NewSpool(t.Scratch); err != nil {
		return 0, err
	}
	r.sender = outbox.Start(outbox.Config{
		Reports: t.Reports,
		RunUID:  t.Run.UID,
		Log:     slog.Default(),
		Ack:     outbox.DefaultAck,
		Backoff: outbox.DefaultBackoff,
		Longest: outbox.DefaultLongest,
	}, r.spool)
	defer r.sender.Close()
	if err := r.begin(); err != nil {
		return 0, err
	}
	for _, w := range strings.Fields(entries[min(t.Attempt, len(entries))-1]) {
		if code, ended, err := r.do(asked, w); ended || err != nil {
			return code, err
		}
	}
	return 0, fmt.Errorf("the script of attempt %d does not say how it ends", t.Attempt)
}

// begin reports that the attempt started, or from which epoch it resumed: the last one that any writer of the trial has
// committed.
func (r *reporter) begin() error {
	anyWriter := wire.WriterDir(r.trial.Run.UID, r.trial.Name, "*")
	found, err := filepath.Glob(filepath.Join(r.store, anyWriter, "*", "manifest.json"))
	if err != nil {
		return err
	}
	for _, file := range found {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var m struct{ Epoch int }
		if err := json.Unmarshal(b, &m); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		r.epoch = max(r.epoch, m.Epoch)
	}
	if r.epoch > 0 {
		return r.send(wire.Report{Kind: wire.ReportResumed})
	}
	return r.send(wire.Report{Kind: wire.ReportStarted})
}

// do obeys one word, and reports whether that ended the attempt, and with which exit code.
func (r *reporter) do(asked context.Context, word string) (code int, ended bool, err error) {
	verb, rest, _ := strings.Cut(word, ":")
	switch verb {
	case "nan":
		r.epoch++
		return 0, false, r.send(wire.Report{Kind: wire.ReportEpoch, NotFinite: "the loss is NaN"})
	case "hold":
		if r.hold(asked) {
			return 0, false, nil
		}
		return r.end(wire.ExitInterrupted)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "kill":
		return 0, true, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		if code, err = strconv.Atoi(rest); err != nil {
			return 0, false, err
		}
		return r.end(code)
	case "finish":
		if err := r.send(wire.Report{Kind: wire.ReportFinished, Test: metrics(0.5)}); err != nil {
			return 0, false, err
		}
		return r.end(wire.ExitOK)
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return 0, false, err
	}
	r.epoch++
	c, err := r.commit()
	if err != nil {
		return 0, false, err
	}
	return 0, false, r.send(wire.Report{Kind: wire.ReportEpoch, Metrics: metrics(v), Checkpoint: c})
}

// hold blocks until the test lets the trial continue and returns true, or until SIGTERM and returns false.
func (r *reporter) hold(asked context.Context) bool {
	file := goOnFile(r.store, r.trial.Run.UID, r.trial.Name)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if os.Remove(file) == nil {
			return true
		}
		select {
		case <-tick.C:
		case <-asked.Done():
			return false
		}
	}
}

// end writes the termination message of a trainer that ends with this code. The message of one that was interrupted
// gives no cause: the operator learns that from Kubernetes.
func (r *reporter) end(code int) (int, bool, error) {
	reason, ok := map[int]string{
		wire.ExitOK:          "Succeeded",
		wire.ExitSettings:    "BadSettings",
		wire.ExitData:        "BadData",
		wire.ExitNoInput:     "NoInput",
		wire.ExitDevice:      "NoDevice",
		wire.ExitInternal:    "Internal",
		wire.ExitStore:       "StoreFailed",
		wire.ExitInterrupted: "Interrupted",
		wire.ExitDiverged:    "Diverged",
		wire.ExitStalled:     "Stalled",
	}[code]
	if !ok {
		return 0, false, fmt.Errorf("no trainer ends with exit code %d", code)
	}
	result := wire.Result{Reason: reason, Epoch: r.epoch}
	if code != wire.ExitInterrupted {
		result.Message, result.Where = "the script says so", "attempt "+strconv.Itoa(r.trial.Attempt)
	}
	return code, true, os.WriteFile(r.trial.Result, result.Encode(), 0o644)
}

// commit writes a checkpoint under a temporary name and renames it, as a trainer does, so that no reader sees a part of
// it.
func (r *reporter) commit() (*wire.CheckpointRef, error) {
	manifest := fmt.Appendf(nil, `{"epoch":%d,"writer":%q}`, r.epoch, r.writer)
	writerDir := wire.WriterDir(r.trial.Run.UID, r.trial.Name, r.writer)
	dir := filepath.Join(r.store, writerDir, fmt.Sprintf("best-%d", r.epoch))
	temporary := dir + ".tmp"
	err := errors.Join(
		os.MkdirAll(temporary, 0o755),
		os.WriteFile(filepath.Join(temporary, "manifest.json"), manifest, 0o644),
		os.Rename(temporary, dir))
	if err != nil {
		return nil, err
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(manifest))
	return &wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: digest}, nil
}

// send fills in a report, sends it and blocks until it is in the stream.
func (r *reporter) send(x wire.Report) error {
	r.sequence++
	t := r.trial
	x.Version, x.Time = wire.Version, time.Now().UTC()
	x.RunUID, x.Trial, x.Depth, x.Attempt = t.Run.UID, t.Name, t.Depth, t.Attempt
	x.Writer, x.Sequence = r.writer, r.sequence
	x.Epoch, x.Epochs, x.Weights = r.epoch, t.Hyperparameters.Epochs, "raw"
	x.Throughput = &wire.Throughput{ImagesPerSecond: 1, EpochSeconds: 1}
	x.Digests = wire.Digests{Data: "sha256:1", Labels: "sha256:2", Split: "sha256:3"}
	if err := r.spool.Append(x); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.sender.Drain(ctx)
}

// metrics returns metrics with this AUC-PR that look like a trainer's.
func metrics(aucPR float64) *wire.Metrics {
	return &wire.Metrics{
		AUCPR:      aucPR,
		AUCPRLow:   aucPR / 2,
		AUCPRHigh:  (1 + aucPR) / 2,
		F1:         aucPR,
		Precision:  aucPR,
		Recall:     aucPR,
		Loss:       1,
		Prevalence: 0.3,
		Samples:    24,
	}
}

// pretendToPublish does what a publishing Job's pod does, but writes no model: it only says that it has published one.
func pretendToPublish() error {
	p, err := wire.DecodePublication([]byte(os.Getenv(wire.EnvPublication)))
	if err != nil {
		return err
	}
	result := wire.Result{
		Reason: "Published",
		URI:    fmt.Sprintf("%s/%s/%d", p.Registry, p.Model, p.Number),
		Digest: p.Checkpoint.Digest,
	}
	return os.WriteFile(p.Result, result.Encode(), 0o644)
}
