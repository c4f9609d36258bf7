package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// container is one container of a pod through all its restarts.
type container struct {
	worker *worker
	spec   *corev1.Container
	status *corev1.ContainerStatus // in worker.facts, under worker.mu
	init   bool
	dir    string

	rewrite rewriter
	tokens  string // the real path of a service account token, if one is mounted
	current atomic.Pointer[process]
	program atomic.Pointer[program]
	// attempt numbers the runs, and so the log files; it counts from 0.
	attempt int
	// writing is the run whose log may still grow, counted from 1; 0 is none. It is set
	// before the log is made: who follows a log must never find it with no run to it.
	writing atomic.Int64
}

func newContainer(w *worker, spec *corev1.Container, status *corev1.ContainerStatus, init bool) *container {
	return &container{worker: w, spec: spec, status: status, init: init, dir: containerDir(w.dir, spec.Name)}
}

// Restarts wait longer and longer, faster than the kubelet's 10 s to 5 min because
// whoever uses this cluster sits in front of it.
const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// healthyAfter: a run of this length makes the next failure a first one again.
	healthyAfter = 10 * time.Minute
)

// run runs the container as often as its restart policy wants; the result says
// whether it ended well and for good. It returns early when the pod shall end.
func (c *container) run(ctx context.Context) bool {
	pause := firstBackoff
	for {
		p, ok := c.launch(ctx)
		if !ok {
			return false
		}
		if p != nil {
			c.watch(ctx, p)
		}
		code, ran := c.ended(p)
		if code == 0 && (c.init || c.worker.current().Spec.RestartPolicy != corev1.RestartPolicyAlways) {
			return true
		}
		if c.worker.current().Spec.RestartPolicy == corev1.RestartPolicyNever || isClosed(c.worker.stopping) {
			return false
		}
		if ran > healthyAfter {
			pause = firstBackoff
		}
		if !c.backOff(ctx, pause) {
			return false
		}
		pause = min(2*pause, maxBackoff)
	}
}

// launch starts the program. While an image or a value is missing it waits and tries
// again, as the kubelet does; ok is false when the pod shall end instead. A nil
// process is a program that could not be executed: its state says so.
func (c *container) launch(ctx context.Context) (p *process, ok bool) {
	last := ""
	for {
		if isClosed(c.worker.stopping) || ctx.Err() != nil {
			return nil, false
		}
		prog, err := c.build(ctx)
		var w *waiting
		if errors.As(err, &w) {
			if w.message != last {
				last = w.message
				c.worker.event(corev1.EventTypeWarning, "Failed", fmt.Sprintf("container %s: %s: %s", c.spec.Name, w.reason, w.message))
				c.set(func(st *corev1.ContainerStatus) {
					st.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: w.reason, Message: w.message}}
				})
			}
			select {
			case <-time.After(time.Second):
			case <-c.worker.stopping:
			case <-ctx.Done():
			}
			continue
		}
		if err == nil {
			p, err = c.start(prog)
		}
		if err != nil {
			now := metav1.Now()
			c.worker.event(corev1.EventTypeWarning, "Failed", fmt.Sprintf("container %s: %v", c.spec.Name, err))
			c.set(func(st *corev1.ContainerStatus) {
				st.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					ExitCode: 128, Reason: "StartError", Message: err.Error(), StartedAt: now, FinishedAt: now,
				}}
			})
			return nil, true
		}
		return p, true
	}
}

// waiting is why a container cannot start yet, in the kubelet's words and in ours.
type waiting struct{ reason, message string }

func (w *waiting) Error() string { return w.reason + ": " + w.message }

func (c *container) start(prog program) (*process, error) {
	if err := c.worker.markStarted(); err != nil {
		return nil, fmt.Errorf("record the start: %w", err)
	}
	if err := os.WriteFile(c.messageFile(), nil, 0o600); err != nil {
		return nil, fmt.Errorf("make the termination message file: %w", err)
	}
	c.writing.Store(int64(c.attempt) + 1)
	p, err := prog.start(c.worker.node.parent, c.dir, c.attempt)
	if err != nil {
		c.writing.Store(0)
		return nil, err
	}
	c.program.Store(&prog)
	c.current.Store(p)
	c.worker.event(corev1.EventTypeNormal, "Started", fmt.Sprintf("Started container %s: %s (pid %d)", c.spec.Name, prog.argv[0], p.cmd.Process.Pid))
	c.set(func(st *corev1.ContainerStatus) {
		started := c.spec.StartupProbe == nil
		st.Started = &started
		st.Ready = started && c.spec.ReadinessProbe == nil && !c.init
		st.ContainerID = c.id(p)
		st.ImageID = "local://" + prog.argv[0]
		st.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(p.started)}}
	})
	if isClosed(c.worker.stopping) { // stop looked for processes before this one was there
		p.terminate(graceOf(c.worker.current()))
	}
	return p, nil
}

// watch probes the process until it has ended.
func (c *container) watch(ctx context.Context, p *process) {
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.probe(probing, p)
	<-p.done
}

// ended records how a run ended; its exit code and length decide what comes next.
func (c *container) ended(p *process) (code int32, ran time.Duration) {
	if p == nil {
		c.attempt++
		return 128, 0
	}
	message := terminationMessage(c.messageFile(), logPath(c.dir, c.attempt), c.spec.TerminationMessagePolicy, p.exitCode != 0)
	c.set(func(st *corev1.ContainerStatus) {
		started := false
		st.Started = &started
		st.Ready = c.init && p.exitCode == 0
		st.State = corev1.ContainerState{Terminated: terminatedState(p, c.id(p), message)}
	})
	c.current.Store(nil)
	c.writing.Store(0)
	c.attempt++
	return p.exitCode, p.finished.Sub(p.started)
}

// backOff waits before a restart.
func (c *container) backOff(ctx context.Context, pause time.Duration) bool {
	c.set(func(st *corev1.ContainerStatus) {
		st.LastTerminationState = st.State
		st.RestartCount = int32(c.attempt)
		st.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "CrashLoopBackOff", Message: fmt.Sprintf("back-off %s restarting container %s", pause, c.spec.Name),
		}}
	})
	c.worker.event(corev1.EventTypeWarning, "BackOff", "Back-off restarting container "+c.spec.Name)
	select {
	case <-time.After(pause):
		return true
	case <-c.worker.stopping:
		return false
	case <-ctx.Done():
		return false
	}
}

func (c *container) set(change func(*corev1.ContainerStatus)) {
	c.worker.mu.Lock()
	change(c.status)
	c.worker.mu.Unlock()
	c.worker.changed()
}

// process is the running one, if any.
func (c *container) process() *process { return c.current.Load() }

func (c *container) id(p *process) string {
	return fmt.Sprintf("process://%s/%s/%d/%d", c.worker.uid, c.spec.Name, c.attempt, p.cmd.Process.Pid)
}

func (c *container) home() string        { return filepath.Join(c.dir, "home") }
func (c *container) temp() string        { return filepath.Join(c.dir, "tmp") }
func (c *container) messageFile() string { return filepath.Join(c.dir, "termination-log") }

// logPath names the log of one run.
func logPath(dir string, attempt int) string {
	return filepath.Join(dir, fmt.Sprintf("%d.log", attempt))
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
