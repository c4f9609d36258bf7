package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// program is what a container executes. Its mount paths are replaced by real paths already.
type program struct {
	argv   []string
	env    []string // the whole environment but the marker: the process inherits nothing
	dir    string
	marker string // value of proc.MarkerVar
}

// process is one run of a container's program.
type process struct {
	parent  *proc.Parent
	cmd     *exec.Cmd
	started time.Time
	// done is closed when the process and everything that it started have ended and the log
	// is complete. The fields below are set before that.
	done     chan struct{}
	finished time.Time
	exitCode int32
}

// start starts a program in a new session and process group. The process dies with the
// node. run is the number of the run, for the log's name.
func (p program) start(parent *proc.Parent, dir string, run int) (*process, error) {
	log, err := createLog(logPath(dir, run))
	if err != nil {
		return nil, err
	}
	var copies sync.WaitGroup
	stdout, err1 := pipeTo(log, "stdout", &copies)
	stderr, err2 := pipeTo(log, "stderr", &copies)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("make the container's pipes: %w", err)
	}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = parent.Start(cmd)
	stdout.Close() // the child has copies of both
	stderr.Close()
	if err != nil {
		copies.Wait()
		log.close()
		return nil, err
	}
	started := &process{parent: parent, cmd: cmd, started: time.Now(), done: make(chan struct{})}
	go func() {
		_ = parent.Wait(cmd) // cmd.ProcessState says how it ended
		started.finished = time.Now()
		started.exitCode = exitCode(cmd.ProcessState)
		// Processes that left the process group still have the marker. While one of them
		// runs, it keeps the pipes of the log open.
		_ = proc.KillMarked(p.marker)
		copies.Wait()
		log.close()
		close(started.done)
	}()
	return started, nil
}

// path returns the value of PATH in the program's environment.
func (p program) path() string {
	for _, kv := range p.env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			return v
		}
	}
	return ""
}

func (p program) command() *exec.Cmd {
	cmd := &exec.Cmd{Path: p.argv[0], Args: p.argv, Dir: p.dir}
	cmd.Env = append(append([]string{}, p.env...), proc.MarkerVar+"="+p.marker)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// pipeTo returns the writing end of a pipe whose lines are copied to the log. The copying is
// added to copies.
func pipeTo(log *logFile, stream string, copies *sync.WaitGroup) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	copies.Go(func() {
		log.copyFrom(stream, r)
		r.Close()
	})
	return w, nil
}

// terminate sends SIGTERM to the process group, and SIGKILL when the grace period is over.
// It returns at once; done says when the process has ended.
func (p *process) terminate(grace time.Duration) {
	p.signal(unix.SIGTERM)
	p.killAfter(grace)
}

// killAfter sends SIGKILL to the process group after a time, unless the process has ended.
func (p *process) killAfter(grace time.Duration) {
	kill := time.AfterFunc(grace, func() { p.signal(unix.SIGKILL) })
	go func() {
		<-p.done
		kill.Stop()
	}()
}

func (p *process) signal(sig unix.Signal) { p.parent.SignalGroup(p.cmd, sig) }

// exitCode returns the exit code of a container: that of its process, or 128 plus the number
// of the signal that ended the process.
func exitCode(st *os.ProcessState) int32 {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int32(ws.Signal())
	}
	return int32(st.ExitCode())
}

// run executes the program without a log, for exec probes and `kubectl exec`. It blocks
// until the program has ended and returns the exit code. It kills the program when ctx ends.
func (p program) run(
	ctx context.Context, parent *proc.Parent, stdin io.Reader, stdout, stderr io.Writer,
) (int32, error) {
	cmd := p.command()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.WaitDelay = time.Second // a process in another session may keep the pipes open
	if err := parent.Start(cmd); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { parent.SignalGroup(cmd, unix.SIGKILL) })
	defer stop()
	err := parent.Wait(cmd)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return exitCode(cmd.ProcessState), nil
}
