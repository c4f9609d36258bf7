package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"plumbline.dev/plumbline/test/drill/judge"
)

// fault is one kind of misfortune. strike does it, and undoes what would otherwise last; what it says is for the log. errNothing
// means that there was nothing to strike at this moment.
type fault struct {
	name   string
	weight int // how often it is drawn
	strike func(ctx context.Context, d *drill) (string, error)
}

var errNothing = errors.New("there is nothing to strike")

// faults are all kinds, in a fixed order, so that a seed always draws the same.
var faults = []fault{
	{"kill a trial's process", 8, killTrial},
	{"delete a trial's pod", 4, deletePod},
	{"delete a trial's Job", 2, deleteJob},
	{"delete the Job of a trial that hangs", 2, deleteHungJob},
	{"kill an operator", 6, killOperator},
	{"kill both operators", 3, killBothOperators},
	{"freeze an operator", 1, freezeOperator},
	{"kill NATS", 4, killNATS},
	{"cut the network to NATS", 3, freezeNATS},
	{"kill the API server", 2, killAPIServer},
	{"cut the network to the API server", 1, freezeAPIServer},
	{"reset the API server's connections", 2, resetAPIServer},
	{"damage a checkpoint", 3, damageCheckpoint},
	{"cut a checkpoint short", 2, truncateCheckpoint},
	{"damage a trial's best", 2, damageBest},
	{"suspend the run and let it go on", 2, suspendRun},
	{"kill the node", 1, killNode},
	{"kill at a write of the trainer", 12, killTrainerAtPoint},
	{"kill at a write of the operator", 6, killOperatorAtPoint},
	{"fill the disk of the checkpoints", 2, fillDisk},
}

// points are the moments, around each write that something durable depends on, at which a process can be killed.
var (
	trainerPoints = []string{
		"checkpoint.write.before", "checkpoint.file.after", "checkpoint.rename.before", "checkpoint.rename.after", "checkpoint.discard.after",
		"spool.append.before", "spool.append.after", "publish.before", "publish.after", "spool.trim.before", "result.before", "result.after",
	}
	operatorPoints = []string{"ingest.before", "ingest.after", "status.before", "status.after", "job.before", "job.after"}
)

// fullPoint makes the disk full for as long as it is armed.
const fullPoint = "checkpoint.full"

// draw picks a kind by its weight.
func draw(dice *rand.Rand, among []fault) fault {
	sum := 0
	for _, f := range among {
		sum += f.weight
	}
	n := dice.IntN(sum)
	for _, f := range among {
		if n < f.weight {
			return f
		}
		n -= f.weight
	}
	panic("unreachable: the weights do not add up to their sum")
}

// kinds are the faults of the given names; none: all.
func kinds(names []string) ([]fault, error) {
	if len(names) == 0 {
		return faults, nil
	}
	var out []fault
	for _, name := range names {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q: docs/drills.md names them, and every drill prints those that struck", name)
		}
		out = append(out, faults[i])
	}
	return out, nil
}

func (d *drill) pick(pids []int) (int, error) {
	if len(pids) == 0 {
		return 0, errNothing
	}
	slices.Sort(pids)
	return pids[d.dice.IntN(len(pids))], nil
}

func (d *drill) kill(program string) (string, error) {
	pid, err := d.pick(d.cluster.processes(program, ""))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pid %d", pid), syscall.Kill(pid, syscall.SIGKILL)
}

func killTrial(_ context.Context, d *drill) (string, error) { return d.kill("plumbline-trainer") }

// killOperator kills one and replaces its pod: a container that is killed often would be started again only after a minute.
func killOperator(ctx context.Context, d *drill) (string, error) {
	what, err := d.kill("plumbline-operator")
	if err == nil {
		err = d.cluster.replaceDeadOperators(ctx)
	}
	return what, err
}

func killBothOperators(ctx context.Context, d *drill) (string, error) {
	all := d.cluster.processes("plumbline-operator", "")
	for _, p := range all {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d of them", len(all)), d.cluster.replaceDeadOperators(ctx)
}

// killAt arms a point and waits until a process has died of it.
func (d *drill) killAt(ctx context.Context, points []string) (string, error) {
	name := points[d.dice.IntN(len(points))]
	file := filepath.Join(d.cluster.failpoints(), name)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return "", err
	}
	for range 100 {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			break
		}
	}
	if os.Remove(file) != nil {
		return name, nil // it was passed at the last moment
	}
	return "", errNothing
}

func killTrainerAtPoint(ctx context.Context, d *drill) (string, error) {
	return d.killAt(ctx, trainerPoints)
}

func killOperatorAtPoint(ctx context.Context, d *drill) (string, error) {
	what, err := d.killAt(ctx, operatorPoints)
	if err == nil {
		err = d.cluster.replaceDeadOperators(ctx)
	}
	return what, err
}

// fillDisk has every write of a checkpoint fail for a while.
func fillDisk(ctx context.Context, d *drill) (string, error) {
	file, away := filepath.Join(d.cluster.failpoints(), fullPoint), 2*d.away()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return "", err
	}
	pause(ctx, away)
	return "for " + away.String(), os.Remove(file)
}

// freezeOperator lasts longer than the lease: if it was the leader, the other one takes over, and this one wakes up deposed.
func freezeOperator(ctx context.Context, d *drill) (string, error) {
	pid, err := d.pick(d.cluster.processes("plumbline-operator", ""))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pid %d, 20 s", pid), freeze(ctx, []int{pid}, 20*time.Second)
}

func (d *drill) runningPod() (string, error) {
	d.recorder.mu.Lock()
	defer d.recorder.mu.Unlock()
	var names []string
	for _, p := range d.recorder.pods {
		if !p.gone && p.Ended.IsZero() && !p.Started.IsZero() {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return "", errNothing
	}
	slices.Sort(names)
	return names[d.dice.IntN(len(names))], nil
}

func deletePod(ctx context.Context, d *drill) (string, error) {
	name, err := d.runningPod()
	if err != nil {
		return "", err
	}
	_, err = d.cluster.kubectl(ctx, "delete", "pod", name, "-n", namespace, "--wait=false", "--ignore-not-found")
	return name, err
}

func deleteJob(ctx context.Context, d *drill) (string, error) {
	pod, err := d.runningPod()
	if err != nil {
		return "", err
	}
	return d.deleteJobOf(ctx, pod)
}

func (d *drill) deleteJobOf(ctx context.Context, pod string) (string, error) {
	job := pod[:len(pod)-len("-12345")] // what the Job's controller adds
	_, err := d.cluster.kubectl(ctx, "delete", "job", job, "-n", namespace, "--wait=false", "--ignore-not-found")
	return job, err
}

// deleteHungJob has the pod live on for a while after its Job is gone, as on a store that does not answer: no other may start meanwhile.
func deleteHungJob(ctx context.Context, d *drill) (string, error) {
	pod, err := d.runningPod()
	if err != nil {
		return "", err
	}
	pids := d.cluster.processes("plumbline-trainer", pod)
	if len(pids) == 0 {
		return "", errNothing
	}
	_ = syscall.Kill(pids[0], syscall.SIGSTOP)
	defer syscall.Kill(pids[0], syscall.SIGCONT)
	job, err := d.deleteJobOf(ctx, pod)
	if err != nil {
		return job, err
	}
	away := 5*time.Second + d.away()
	pause(ctx, away)
	return fmt.Sprintf("%s, for %s", job, away), nil
}

func (d *drill) away() time.Duration { return time.Duration(500+d.dice.IntN(3000)) * time.Millisecond }

func killNATS(ctx context.Context, d *drill) (string, error) {
	away := d.away()
	return "for " + away.String(), d.cluster.killComponent(ctx, "nats", away)
}

func killAPIServer(ctx context.Context, d *drill) (string, error) {
	away := d.away()
	return "for " + away.String(), d.cluster.killComponent(ctx, "kube-apiserver", away)
}

func killNode(ctx context.Context, d *drill) (string, error) {
	away := d.away()
	return "for " + away.String(), d.cluster.killComponent(ctx, "node", away)
}

func (d *drill) freezeComponent(ctx context.Context, name string) (string, error) {
	pid, err := d.cluster.component(name)
	if err != nil {
		return "", err
	}
	away := 2 * d.away()
	return "for " + away.String(), freeze(ctx, []int{pid}, away)
}

func freezeNATS(ctx context.Context, d *drill) (string, error) { return d.freezeComponent(ctx, "nats") }

func freezeAPIServer(ctx context.Context, d *drill) (string, error) {
	return d.freezeComponent(ctx, "kube-apiserver")
}

// resetAPIServer breaks what the operators have open, every watch and every request in flight, while the server itself goes on.
func resetAPIServer(_ context.Context, d *drill) (string, error) {
	n := d.cluster.proxy.reset()
	if n == 0 {
		return "", errNothing
	}
	return fmt.Sprintf("%d connections", n), nil
}

func suspendRun(ctx context.Context, d *drill) (string, error) {
	set := func(v string) error {
		return d.cluster.insist(ctx, func() error {
			_, err := d.cluster.kubectl(ctx, "patch", "trainingrun", d.recorder.name, "-n", namespace, "--type=merge", "-p", `{"spec":{"suspend":`+v+`}}`)
			return err
		})
	}
	if err := set("true"); err != nil {
		return "", err
	}
	suspended := d.await(ctx, "is not suspended", func(s judge.Status) bool {
		return s.CompletionTime != "" || slices.ContainsFunc(s.Conditions, func(c judge.Condition) bool { return c.Type == "Suspended" && c.Status == "True" })
	})
	if err := set("false"); err != nil {
		return "", err
	}
	if !suspended {
		return "", errors.New("the run was not suspended")
	}
	return "", nil
}

// trained is a pod that trains, and its process.
func (d *drill) trained() (judge.Pod, int, error) {
	name, err := d.runningPod()
	if err != nil {
		return judge.Pod{}, 0, err
	}
	pids := d.cluster.processes("plumbline-trainer", name)
	if len(pids) == 0 {
		return judge.Pod{}, 0, errNothing
	}
	d.recorder.mu.Lock()
	defer d.recorder.mu.Unlock()
	for _, p := range d.recorder.pods {
		if p.Name == name && !p.gone {
			return p.Pod, pids[0], nil
		}
	}
	return judge.Pod{}, 0, errNothing
}

// newestResume is the furthest resume checkpoint of a trial.
func (d *drill) newestResume(trial string) (dir string, err error) {
	_, uid, _ := d.recorder.last()
	found, err := filepath.Glob(filepath.Join(d.store, uid, trial, "*", "resume-*"))
	if err != nil || len(found) < 2 { // another one must be left to go on from
		return "", errors.Join(errNothing, err)
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) }), nil
}

// best is the checkpoint that status names as a trial's best.
func (d *drill) best(trial string) (dir string, err error) {
	s, uid, _ := d.recorder.last()
	for _, t := range s.Trials {
		if t.Name != trial || t.Best == nil {
			continue
		}
		if _, below, ok := strings.Cut(t.Best.Checkpoint.URI, "/"+uid+"/"); ok {
			return filepath.Join(d.store, uid, below), nil
		}
	}
	return "", errNothing
}

// harm kills a trial and then changes a checkpoint that it would go on from or with.
func (d *drill) harm(which func(trial string) (string, error), files []string, change func(file string, size int64) error) (string, error) {
	pod, pid, err := d.trained()
	if err != nil {
		return "", err
	}
	dir, err := which(pod.Trial)
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
	file := filepath.Join(dir, files[d.dice.IntN(len(files))])
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "its process, before the checkpoint was harmed", nil
	}
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(d.store, dir)
	if err != nil {
		return "", err
	}
	d.damaged = append(d.damaged, judge.Damage{Dir: rel, Attempt: attempt})
	return filepath.Join(rel, filepath.Base(file)), change(file, info.Size())
}

// What a checkpoint consists of that must not be changed unnoticed.
var (
	resumeFiles = []string{"weights.safetensors", "slots.safetensors", "reports.jsonl", "manifest.json"}
	bestFiles   = []string{"weights.safetensors", "manifest.json"}
)

func damageCheckpoint(_ context.Context, d *drill) (string, error) {
	return d.harm(d.newestResume, resumeFiles, d.flip)
}

func truncateCheckpoint(_ context.Context, d *drill) (string, error) {
	return d.harm(d.newestResume, resumeFiles, d.truncate)
}

// damageBest leaves the checkpoints to go on from whole: that the best which they name is not must be found out.
func damageBest(_ context.Context, d *drill) (string, error) {
	change := d.flip
	if d.dice.IntN(2) == 0 {
		change = d.truncate
	}
	return d.harm(d.best, bestFiles, change)
}

// flip changes one bit.
func (d *drill) flip(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	at, b := d.dice.Int64N(size), make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 0x20
	_, err = f.WriteAt(b, at)
	return err
}

func (d *drill) truncate(file string, size int64) error {
	return os.Truncate(file, d.dice.Int64N(size))
}
