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

// container is one container of a pod, through all its restarts.
type container struct {
	worker *worker
	spec   *corev1.Container
	status *corev1.ContainerStatus // points into worker.facts; worker.mu guards it
	init   bool
	dir    string

	rewrite   rewriter
	tokenFile string // path of the service account token on this machine; "" if none is mounted
	current   atomic.Pointer[process]
	program   atomic.Pointer[program]
	// attempt numbers the container's runs, and so their log files, from 0.
	attempt int
	// writing is the run whose log may still grow, counted from 1; 0 means no run. It is set
	// before the log file is made, so that a reader who follows the file does not take the
	// run for ended.
	writing atomic.Int64
}

func newContainer(w *worker, spec *corev1.Container, status *corev1.ContainerStatus, init bool) *container {
	return &container{worker: w, spec: spec, status: status, init: init, dir: containerDir(w.dir, spec.Name)}
}

// The pause before a restart doubles from firstBackoff to maxBackoff. The kubelet takes
// 10 s to 5 min; here a person sits in front of the cluster and waits.
const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// healthyAfter is the length of a run after which the pause is firstBackoff again.
	healthyAfter = 10 * time.Minute
)

// run runs the container, and runs it again as its restart policy says. It returns true
// once the container has succeeded for good, and false once it has failed for good or the
// pod must end.
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
		code, ran := c.recordEnd(p)
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

// launch starts the program. While an image or a value is missing, launch waits and tries
// again, as the kubelet does. ok is false if the pod must end before the program started.
// The process is nil if the program could not be executed; the container's status says why.
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
				c.worker.event(corev1.EventTypeWarning, "Failed",
					fmt.Sprintf("container %s: %s: %s", c.spec.Name, w.reason, w.message))
				state := &corev1.ContainerStateWaiting{Reason: w.reason, Message: w.message}
				c.setStatus(func(st *corev1.ContainerStatus) { st.State = corev1.ContainerState{Waiting: state} })
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
			c.setStatus(func(st *corev1.ContainerStatus) {
				st.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					ExitCode: 128, Reason: "StartError", Message: err.Error(), StartedAt: now, FinishedAt: now,
				}}
			})
			return nil, true
		}
		return p, true
	}
}

// waiting is the error of a container that cannot start yet. reason is one of the
// kubelet's.
type waiting struct{ reason, message string }

func (w *waiting) Error() string { return w.reason + ": " + w.message }

// start starts one run of the container's program.
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
	c.worker.event(corev1.EventTypeNormal, "Started",
		fmt.Sprintf("Started container %s: %s (pid %d)", c.spec.Name, prog.argv[0], p.cmd.Process.Pid))
	c.setStatus(func(st *corev1.ContainerStatus) {
		started := c.spec.StartupProbe == nil
		st.Started = &started
		st.Ready = started && c.spec.ReadinessProbe == nil && !c.init
		st.ContainerID = c.id(p)
		st.ImageID = "local://" + prog.argv[0]
		st.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(p.started)}}
	})
	if isClosed(c.worker.stopping) { // worker.stop may not have seen this process yet
		p.terminate(graceOf(c.worker.current()))
	}
	return p, nil
}

// watch probes the process and blocks until it has ended.
func (c *container) watch(ctx context.Context, p *process) {
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.probe(probing, p)
	<-p.done
}

// recordEnd writes into the status how a run ended, and returns the run's exit code and
// length. A nil process is a run whose program could not be executed.
func (c *container) recordEnd(p *process) (code int32, ran time.Duration) {
	if p == nil {
		c.attempt++
		return 128, 0
	}
	log := logPath(c.dir, c.attempt)
	message := terminationMessage(c.messageFile(), log, c.spec.TerminationMessagePolicy, p.exitCode != 0)
	c.setStatus(func(st *corev1.ContainerStatus) {
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

// backOff waits before a restart. It returns false if the pod must end.
func (c *container) backOff(ctx context.Context, pause time.Duration) bool {
	c.setStatus(func(st *corev1.ContainerStatus) {
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

// setStatus changes the container's status and has the pod's status written.
func (c *container) setStatus(change func(*corev1.ContainerStatus)) {
	c.worker.mu.Lock()
	change(c.status)
	c.worker.mu.Unlock()
	c.worker.changed()
}

// process returns the running process, or nil.
func (c *container) process() *process { return c.current.Load() }

func (c *container) id(p *process) string {
	return fmt.Sprintf("process://%s/%s/%d/%d", c.worker.uid, c.spec.Name, c.attempt, p.cmd.Process.Pid)
}

func (c *container) home() string        { return filepath.Join(c.dir, "home") }
func (c *container) temp() string        { return filepath.Join(c.dir, "tmp") }
func (c *container) messageFile() string { return filepath.Join(c.dir, "termination-log") }

// logPath returns the path of one run's log.
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
