package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"plumbline.dev/plumbline/test/drill/judge"
)

// trainingPod returns a pod whose container runs, by the dice, and its process id.
func (t *target) trainingPod() (judge.Pod, int, error) {
	name, err := t.runningPod()
	if err != nil {
		return judge.Pod{}, 0, err
	}
	pids := t.cluster.processes("plumbline-trainer", name)
	if len(pids) == 0 {
		return judge.Pod{}, 0, errNothing
	}
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	for _, p := range t.recorder.pods {
		if p.Name == name && !p.gone {
			return p.Pod, pids[0], nil
		}
	}
	return judge.Pod{}, 0, errNothing
}

// newestResume returns the directory of a trial's latest resume checkpoint. There is nothing to strike unless the trial
// has an earlier one from which it can resume.
func (t *target) newestResume(trial string) (dir string, err error) {
	_, uid, _ := t.recorder.last()
	found, err := filepath.Glob(filepath.Join(t.store, uid, trial, "*", "resume-*"))
	if err != nil || len(found) < 2 {
		return "", errors.Join(errNothing, err)
	}
	byName := func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) }
	return slices.MaxFunc(found, byName), nil
}

// best returns the directory of the checkpoint that status names as a trial's best.
func (t *target) best(trial string) (dir string, err error) {
	s, uid, _ := t.recorder.last()
	for _, status := range s.Trials {
		if status.Name != trial || status.Best == nil {
			continue
		}
		if _, below, ok := strings.Cut(status.Best.Checkpoint.URI, "/"+uid+"/"); ok {
			return filepath.Join(t.store, uid, below), nil
		}
	}
	return "", errNothing
}

// harm kills a trial's process and then changes a file of the checkpoint that checkpointOf returns: one that the next
// attempt needs.
func (t *target) harm(
	checkpointOf func(trial string) (dir string, err error), files []string, change func(file string, size int64) error,
) (string, error) {
	pod, pid, err := t.trainingPod()
	if err != nil {
		return "", err
	}
	dir, err := checkpointOf(pod.Trial)
	if err != nil {
		return "", err
	}
	attempt, err := strconv.Atoi(pod.Attempt)
	if err != nil {
		return "", err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return "", errNothing
	}
	file := filepath.Join(dir, files[t.dice.IntN(len(files))])
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "(the process was killed, and the checkpoint was gone before it could be damaged)", nil
	}
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(t.store, dir)
	if err != nil {
		return "", err
	}
	t.damaged = append(t.damaged, judge.Damage{Dir: rel, Attempt: attempt})
	return filepath.Join(rel, filepath.Base(file)), change(file, info.Size())
}

// These files of a checkpoint are damaged. The trainer must notice that.
var (
	resumeFiles = []string{"weights.safetensors", "slots.safetensors", "reports.jsonl", "manifest.json"}
	bestFiles   = []string{"weights.safetensors", "manifest.json"}
)

func damageCheckpoint(_ context.Context, t *target) (string, error) {
	return t.harm(t.newestResume, resumeFiles, t.flip)
}

func truncateCheckpoint(_ context.Context, t *target) (string, error) {
	return t.harm(t.newestResume, resumeFiles, t.truncate)
}

// damageBest damages a trial's best, and leaves its resume checkpoints whole. The trainer must notice that they name a
// damaged best.
func damageBest(_ context.Context, t *target) (string, error) {
	change := t.flip
	if t.dice.IntN(2) == 0 {
		change = t.truncate
	}
	return t.harm(t.best, bestFiles, change)
}

// flip changes one bit of a file.
func (t *target) flip(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	at, b := t.dice.Int64N(size), make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 0x20
	_, err = f.WriteAt(b, at)
	return err
}

// truncate cuts a file short.
func (t *target) truncate(file string, size int64) error {
	return os.Truncate(file, t.dice.Int64N(size))
}
