package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"plumbline.dev/plumbline/test/drill/judge"
)

// fault is one kind of fault.
type fault struct {
	name   string
	weight int // how often it is drawn, relative to the others

	// strike causes the fault, and ends it if it would last. It returns details for the log. Its error is errNothing
	// when there is nothing to strike at this moment.
	strike func(ctx context.Context, t *target) (string, error)
}

var errNothing = errors.New("there is nothing to strike")

// faults holds all faults. Their order is fixed, so that a seed always draws the same ones.
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

// These failpoints surround each write on which something durable depends. A process can be killed at each of them.
var (
	trainerPoints = []string{
		"checkpoint.write.before",
		"checkpoint.file.after",
		"checkpoint.rename.before",
		"checkpoint.rename.after",
		"checkpoint.discard.after",
		"spool.append.before",
		"spool.append.after",
		"publish.before",
		"publish.after",
		"spool.trim.before",
		"result.before",
		"result.after",
	}
	operatorPoints = []string{
		"ingest.before",
		"ingest.after",
		"status.before",
		"status.after",
		"job.before",
		"job.after",
	}
)

// fullPoint makes each write of a checkpoint fail as on a full disk, while it is armed.
const fullPoint = "checkpoint.full"

// draw returns one of the faults, by their weights.
func draw(dice *rand.Rand, kinds []fault) fault {
	sum := 0
	for _, f := range kinds {
		sum += f.weight
	}
	n := dice.IntN(sum)
	for _, f := range kinds {
		if n < f.weight {
			return f
		}
		n -= f.weight
	}
	panic("unreachable: the drawn number is below the sum of the weights")
}

// faultsNamed returns the faults with the given names, or all faults for no name.
func faultsNamed(names []string) ([]fault, error) {
	if len(names) == 0 {
		return faults, nil
	}
	var out []fault
	for _, name := range names {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q: docs/drills.md lists the faults", name)
		}
		out = append(out, faults[i])
	}
	return out, nil
}

// pick returns one of the process ids, by the dice.
func (t *target) pick(pids []int) (int, error) {
	if len(pids) == 0 {
		return 0, errNothing
	}
	slices.Sort(pids)
	return pids[t.dice.IntN(len(pids))], nil
}

// kill kills one process of a program.
func (t *target) kill(program string) (string, error) {
	pid, err := t.pick(t.cluster.processes(program, ""))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pid %d", pid), syscall.Kill(pid, syscall.SIGKILL)
}

func killTrial(_ context.Context, t *target) (string, error) { return t.kill("plumbline-trainer") }

func killOperator(ctx context.Context, t *target) (string, error) {
	done, err := t.kill("plumbline-operator")
	if err == nil {
		err = t.cluster.replaceDeadOperators(ctx)
	}
	return done, err
}

func killBothOperators(ctx context.Context, t *target) (string, error) {
	all := t.cluster.processes("plumbline-operator", "")
	for _, p := range all {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d of them", len(all)), t.cluster.replaceDeadOperators(ctx)
}

// killAt arms one of the failpoints, by the dice, and waits up to ten seconds until a process has died at it.
func (t *target) killAt(ctx context.Context, points []string) (string, error) {
	name := points[t.dice.IntN(len(points))]
	file := filepath.Join(t.cluster.failpoints(), name)
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
		return name, nil // a process took the file, and died, at the last moment
	}
	return "", errNothing
}

func killTrainerAtPoint(ctx context.Context, t *target) (string, error) {
	return t.killAt(ctx, trainerPoints)
}

func killOperatorAtPoint(ctx context.Context, t *target) (string, error) {
	point, err := t.killAt(ctx, operatorPoints)
	if err == nil {
		err = t.cluster.replaceDeadOperators(ctx)
	}
	return point, err
}

// fillDisk lets every write of a checkpoint fail for 1 to 7 s.
func fillDisk(ctx context.Context, t *target) (string, error) {
	file, away := filepath.Join(t.cluster.failpoints(), fullPoint), 2*t.away()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return "", err
	}
	pause(ctx, away)
	return "for " + away.String(), os.Remove(file)
}

// freezeOperator freezes an operator for longer than the lease lasts. If it was the leader, the other operator takes
// over, and the frozen one is not the leader any more when it continues.
func freezeOperator(ctx context.Context, t *target) (string, error) {
	pid, err := t.pick(t.cluster.processes("plumbline-operator", ""))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pid %d, 20 s", pid), freeze(ctx, []int{pid}, 20*time.Second)
}

// runningPod returns the name of a pod whose container runs, by the dice.
func (t *target) runningPod() (string, error) {
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	var names []string
	for _, p := range t.recorder.pods {
		if !p.gone && p.Ended.IsZero() && !p.Started.IsZero() {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return "", errNothing
	}
	slices.Sort(names)
	return names[t.dice.IntN(len(names))], nil
}

func deletePod(ctx context.Context, t *target) (string, error) {
	name, err := t.runningPod()
	if err != nil {
		return "", err
	}
	_, err = t.cluster.kubectl(ctx, "delete", "pod", name, "-n", namespace, "--wait=false", "--ignore-not-found")
	return name, err
}

func deleteJob(ctx context.Context, t *target) (string, error) {
	pod, err := t.runningPod()
	if err != nil {
		return "", err
	}
	return t.deleteJobOf(ctx, pod)
}

func (t *target) deleteJobOf(ctx context.Context, pod string) (string, error) {
	job := pod[:len(pod)-len("-12345")] // the Job's controller appends a hyphen and five characters
	_, err := t.cluster.kubectl(ctx, "delete", "job", job, "-n", namespace, "--wait=false", "--ignore-not-found")
	return job, err
}

// deleteHungJob deletes a Job whose trainer hangs, as when the checkpoint store does not answer. The pod lives for some
// seconds after its Job is gone, and no other pod of the trial may start meanwhile.
func deleteHungJob(ctx context.Context, t *target) (string, error) {
	pod, err := t.runningPod()
	if err != nil {
		return "", err
	}
	pids := t.cluster.processes("plumbline-trainer", pod)
	if len(pids) == 0 {
		return "", errNothing
	}
	_ = syscall.Kill(pids[0], syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(pids[0], syscall.SIGCONT) }()
	job, err := t.deleteJobOf(ctx, pod)
	if err != nil {
		return job, err
	}
	away := 5*time.Second + t.away()
	pause(ctx, away)
	return fmt.Sprintf("%s, for %s", job, away), nil
}

// away returns a duration from 0.5 to 3.5 s, by the dice.
func (t *target) away() time.Duration { return time.Duration(500+t.dice.IntN(3000)) * time.Millisecond }

func killNATS(ctx context.Context, t *target) (string, error) {
	away := t.away()
	return "for " + away.String(), t.cluster.killComponent(ctx, "nats", away)
}

func killAPIServer(ctx context.Context, t *target) (string, error) {
	away := t.away()
	return "for " + away.String(), t.cluster.killComponent(ctx, "kube-apiserver", away)
}

func killNode(ctx context.Context, t *target) (string, error) {
	away := t.away()
	return "for " + away.String(), t.cluster.killComponent(ctx, "node", away)
}

func (t *target) freezeComponent(ctx context.Context, name string) (string, error) {
	pid, err := t.cluster.component(name)
	if err != nil {
		return "", err
	}
	away := 2 * t.away()
	return "for " + away.String(), freeze(ctx, []int{pid}, away)
}

func freezeNATS(ctx context.Context, t *target) (string, error) {
	return t.freezeComponent(ctx, "nats")
}

func freezeAPIServer(ctx context.Context, t *target) (string, error) {
	return t.freezeComponent(ctx, "kube-apiserver")
}

// resetAPIServer resets all connections of the operators to the API server: every watch and every request in flight
// breaks. The server itself keeps running.
func resetAPIServer(_ context.Context, t *target) (string, error) {
	n := t.cluster.proxy.reset()
	if n == 0 {
		return "", errNothing
	}
	return fmt.Sprintf("%d connections", n), nil
}

// suspendRun suspends the run, waits until its status says so, and resumes it.
func suspendRun(ctx context.Context, t *target) (string, error) {
	setSuspend := func(v string) error {
		patch := `{"spec":{"suspend":` + v + `}}`
		return t.cluster.retry(ctx, func() error {
			_, err := t.cluster.kubectl(ctx, "patch", "trainingrun", t.recorder.name, "-n", namespace,
				"--type=merge", "-p", patch)
			return err
		})
	}
	if err := setSuspend("true"); err != nil {
		return "", err
	}
	isSuspended := func(c judge.Condition) bool { return c.Type == "Suspended" && c.Status == "True" }
	suspended := t.await(ctx, "is not suspended", func(s judge.Status) bool {
		return s.CompletionTime != "" || slices.ContainsFunc(s.Conditions, isSuspended)
	})
	if err := setSuspend("false"); err != nil {
		return "", err
	}
	if !suspended {
		return "", errors.New("the run was not suspended")
	}
	return "", nil
}
