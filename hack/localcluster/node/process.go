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

// program is what a container executes, with every location already a real one.
type program struct {
	argv   []string
	env    []string // complete: nothing is inherited
	dir    string
	marker string
}

// process is one run of a container's program.
type process struct {
	parent  *proc.Parent
	cmd     *exec.Cmd
	started time.Time
	// done is closed when the process and everything it started have ended and the
	// log is complete; the fields below are set by then.
	done     chan struct{}
	finished time.Time
	exitCode int32
}

// start runs a program in a session and process group of its own, which ends with the node.
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
	stdout.Close() // the child has its own
	stderr.Close()
	if err != nil {
		copies.Wait()
		log.close()
		return nil, err
	}
	started := &process{parent: parent, cmd: cmd, started: time.Now(), done: make(chan struct{})}
	go func() {
		_ = parent.Wait(cmd) // the state says it all
		started.finished = time.Now()
		started.exitCode = exitCode(cmd.ProcessState)
		// What left the process group carries the mark still; it would also hold the log open.
		_ = proc.KillMarked(p.marker)
		copies.Wait()
		log.close()
		close(started.done)
	}()
	return started, nil
}

// path is the PATH that the program sees.
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

// terminate asks the process group to end and kills it when the grace is over. It
// returns at once; done tells when it has ended.
func (r *process) terminate(grace time.Duration) {
	r.signal(unix.SIGTERM)
	r.killAfter(grace)
}

func (r *process) killAfter(grace time.Duration) {
	kill := time.AfterFunc(grace, func() { r.signal(unix.SIGKILL) })
	go func() {
		<-r.done
		kill.Stop()
	}()
}

func (r *process) signal(sig unix.Signal) { r.parent.SignalGroup(r.cmd, sig) }

// exitCode is that of a container: 128 and the signal's number where one ended it.
func exitCode(st *os.ProcessState) int32 {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int32(ws.Signal())
	}
	return int32(st.ExitCode())
}

// run executes another program in the container's surroundings, for exec probes and
// `kubectl exec`, and gives its exit code.
func (p program) run(ctx context.Context, parent *proc.Parent, stdin io.Reader, stdout, stderr io.Writer) (int32, error) {
	cmd := p.command()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.WaitDelay = time.Second // something in another session may hold the pipes
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
