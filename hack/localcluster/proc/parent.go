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
// The kernel sends a child's parent-death signal when the *thread* that forked
// it ends, so every child is started from one thread that lives as long as the
// program does. A Parent also adopts and reaps: grandchildren whose own parent
// ended become its children, so that none of them stays behind as a zombie.
type Parent struct {
	jobs chan func()
	mu   sync.Mutex
	own  map[int]bool
}

// NewParent makes this process the one that orphans below it fall back to.
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

// Wait waits for a child that Start started. Before the child's number is given
// back to the kernel, everything left in its process group is killed: as long as
// the leader is a zombie, the group's number can belong to nobody else.
func (p *Parent) Wait(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ownGroup(cmd) {
		_ = unix.Kill(-pid, unix.SIGKILL) // ESRCH: nobody is left
	}
	delete(p.own, pid)
	return cmd.Wait()
}

// SignalGroup signals a child's whole process group unless the child was waited for.
func (p *Parent) SignalGroup(cmd *exec.Cmd, sig unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own[cmd.Process.Pid] && ownGroup(cmd) {
		_ = unix.Kill(-cmd.Process.Pid, sig) // ESRCH: it ended just now
	}
}

func ownGroup(cmd *exec.Cmd) bool {
	return cmd.SysProcAttr != nil && (cmd.SysProcAttr.Setsid || cmd.SysProcAttr.Setpgid)
}

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
