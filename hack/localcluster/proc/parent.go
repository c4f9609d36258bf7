package proc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Parent starts children that die with this process.
//
// The kernel sends a child's parent-death signal when the *thread* that forked it ends. So
// a Parent starts every child from one thread that lives as long as the program. A Parent
// also becomes the parent of grandchildren whose own parent has ended, and waits for them,
// so that none of them stays a zombie.
type Parent struct {
	jobs chan func() // run on the one thread
	mu   sync.Mutex
	own  map[int]bool // process numbers of children that Start started and Wait has not waited for
}

// NewParent makes this process the parent of all orphans among its descendants.
func NewParent() (*Parent, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the parent of orphans: %w", err)
	}
	p := &Parent{jobs: make(chan func()), own: map[int]bool{}}
	go func() {
		runtime.LockOSThread()
		for job := range p.jobs {
			job()
		}
	}()
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	go func() {
		for range died {
			p.reapOrphans()
		}
	}()
	return p, nil
}

// Start starts cmd; cmd.SysProcAttr must name the parent-death signal.
func (p *Parent) Start(cmd *exec.Cmd) error {
	result := make(chan error)
	p.jobs <- func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		err := cmd.Start()
		if err == nil {
			p.own[cmd.Process.Pid] = true
		}
		result <- err
	}
	return <-result
}

// Wait blocks until a child that Start started has ended, and kills the rest of the child's
// process group. It kills before it gives the child's number back to the kernel: while the
// group's leader is a zombie, no other group can have the same number.
func (p *Parent) Wait(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ownGroup(cmd) {
		_ = unix.Kill(-pid, unix.SIGKILL) // the error is ESRCH if the group has no other process
	}
	delete(p.own, pid)
	return cmd.Wait()
}

// SignalGroup sends a signal to a child's process group, unless Wait has waited for the
// child already.
func (p *Parent) SignalGroup(cmd *exec.Cmd, sig unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own[cmd.Process.Pid] && ownGroup(cmd) {
		_ = unix.Kill(-cmd.Process.Pid, sig) // the error is ESRCH if the group has just ended
	}
}

// ownGroup reports whether a child leads its own process group.
func ownGroup(cmd *exec.Cmd) bool {
	return cmd.SysProcAttr != nil && (cmd.SysProcAttr.Setsid || cmd.SysProcAttr.Setpgid)
}

// reapOrphans waits for zombies that became children of this process.
func (p *Parent) reapOrphans() {
	p.mu.Lock()
	defer p.mu.Unlock()
	self := os.Getpid()
	for _, pid := range allPIDs() {
		st, err := readStat(pid)
		if err == nil && st.ppid == self && st.state == 'Z' && !p.own[pid] {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

func allPIDs() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
