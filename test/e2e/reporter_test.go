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

// A reporter is this very program in a trial's pod. It reports as a trainer does, commits checkpoints that hold nothing but an epoch's
// number, and ends as the run's script wants: what the operator makes of that needs no training. Everything else is real.
const reporterImage = "plumbline.dev/reporter:dev"

// script says, by trial, what each attempt does; what the last one does goes for all that follow. The words of one attempt:
//
//	0.7      an epoch with that AUC-PR and a checkpoint; it has arrived in the stream before the next word is read
//	nan      an epoch that could not be measured
//	hold     wait to be told to go on; SIGTERM ends it as it ends a trainer that has saved itself
//	deaf     wait for SIGKILL
//	kill     SIGKILL, by its own hand
//	exit:N   end with that exit code and a trainer's reason for it
//	finish   all epochs are done; exit code 0
type script map[string][]string

// word is where a reporter that holds looks whether to go on.
func word(store, runUID, trial string) string { return filepath.Join(store, runUID, trial, "go-on") }

// actAsPod ends this process if it is that of a pod.
func actAsPod() {
	var code int
	var err error
	switch {
	case os.Getenv(wire.EnvTrial) != "":
		code, err = report()
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

func report() (code int, err error) {
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
	acts := s[t.Name]
	if len(acts) == 0 {
		return 0, fmt.Errorf("the script has nothing for %s", t.Name)
	}
	r := reporter{trial: t, writer: t.Writer(os.Getenv(wire.EnvPodUID))}
	if r.store, err = wire.LocalPath(t.Checkpoint.URI); err != nil {
		return 0, err
	}
	if r.spool, err = outbox.NewSpool(t.Scratch); err != nil {
		return 0, err
	}
	r.sender = outbox.Start(outbox.Config{Reports: t.Reports, RunUID: t.Run.UID, Log: slog.Default(),
		Ack: outbox.DefaultAck, Backoff: outbox.DefaultBackoff, Longest: outbox.DefaultLongest}, r.spool)
	defer r.sender.Close()
	if err := r.begin(); err != nil {
		return 0, err
	}
	for _, w := range strings.Fields(acts[min(t.Attempt, len(acts))-1]) {
		if code, over, err := r.do(asked, w); over || err != nil {
			return code, err
		}
	}
	return 0, fmt.Errorf("the script of attempt %d does not say how it ends", t.Attempt)
}

// begin says where the attempt goes on from: the last epoch that any writer of the trial has committed.
func (r *reporter) begin() error {
	found, err := filepath.Glob(filepath.Join(r.store, wire.WriterDir(r.trial.Run.UID, r.trial.Name, "*"), "*", "manifest.json"))
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
		return r.say(wire.Report{Kind: wire.Resumed})
	}
	return r.say(wire.Report{Kind: wire.Started})
}

// do obeys one word and says whether it was the last, and with which exit code.
func (r *reporter) do(asked context.Context, word string) (code int, over bool, err error) {
	verb, rest, _ := strings.Cut(word, ":")
	switch verb {
	case "nan":
		r.epoch++
		return 0, false, r.say(wire.Report{Kind: wire.Epoch, NotFinite: "the loss is NaN"})
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
		if err := r.say(wire.Report{Kind: wire.Finished, Test: measured(0.5)}); err != nil {
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
	return 0, false, r.say(wire.Report{Kind: wire.Epoch, Metrics: measured(v), Checkpoint: c})
}

// hold waits for a word, or for SIGTERM; then it is false.
func (r *reporter) hold(asked context.Context) bool {
	file := word(r.store, r.trial.Run.UID, r.trial.Name)
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

// end leaves the last word of a trainer that ends with this code. One that was interrupted leaves the words to who interrupted it.
func (r *reporter) end(code int) (int, bool, error) {
	reason, ok := map[int]string{
		wire.ExitOK: "Succeeded", wire.ExitSettings: "BadSettings", wire.ExitData: "BadData", wire.ExitNoInput: "NoInput", wire.ExitDevice: "NoDevice",
		wire.ExitInternal: "Internal", wire.ExitStore: "StoreFailed", wire.ExitInterrupted: "Interrupted", wire.ExitDiverged: "Diverged", wire.ExitStalled: "Stalled",
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

// commit makes a checkpoint visible whole, as a trainer does: under its final name by one rename.
func (r *reporter) commit() (*wire.CheckpointRef, error) {
	manifest := fmt.Appendf(nil, `{"epoch":%d,"writer":%q}`, r.epoch, r.writer)
	dir := filepath.Join(r.store, wire.WriterDir(r.trial.Run.UID, r.trial.Name, r.writer), fmt.Sprintf("best-%d", r.epoch))
	if err := errors.Join(os.MkdirAll(dir+".tmp", 0o755), os.WriteFile(filepath.Join(dir+".tmp", "manifest.json"), manifest, 0o644), os.Rename(dir+".tmp", dir)); err != nil {
		return nil, err
	}
	return &wire.CheckpointRef{URI: wire.LocalURI(dir), Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(manifest))}, nil
}

// say tells and waits until the stream has it.
func (r *reporter) say(x wire.Report) error {
	r.sequence++
	t := r.trial
	x.Version, x.RunUID, x.Trial, x.Depth, x.Attempt, x.Writer, x.Sequence = wire.Version, t.Run.UID, t.Name, t.Depth, t.Attempt, r.writer, r.sequence
	x.Time, x.Epoch, x.Epochs, x.Weights = time.Now().UTC(), r.epoch, t.Hyperparameters.Epochs, "raw"
	x.Throughput = &wire.Throughput{ImagesPerSecond: 1, EpochSeconds: 1}
	x.Digests = wire.Digests{Data: "sha256:1", Labels: "sha256:2", Split: "sha256:3"}
	if err := r.spool.Append(x); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.sender.Drain(ctx)
}

func measured(aucPR float64) *wire.Metrics {
	return &wire.Metrics{AUCPR: aucPR, AUCPRLow: aucPR / 2, AUCPRHigh: (1 + aucPR) / 2, F1: aucPR, Precision: aucPR, Recall: aucPR, Loss: 1, Prevalence: 0.3, Samples: 24}
}

// pretendToPublish is a publishing Job that says that it has published and writes nothing.
func pretendToPublish() error {
	p, err := wire.DecodePublication([]byte(os.Getenv(wire.EnvPublication)))
	if err != nil {
		return err
	}
	result := wire.Result{Reason: "Published", URI: fmt.Sprintf("%s/%s/%d", p.Registry, p.Model, p.Number), Digest: p.Checkpoint.Digest}
	return os.WriteFile(p.Result, result.Encode(), 0o644)
}
