package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ID identifies a process among all that have ever had, or will have, its number.
type ID struct {
	PID int `json:"pid"`
	// Start is the process's start in clock ticks since boot (field 22 of /proc/PID/stat).
	Start uint64 `json:"start"`
	// Boot is the kernel's boot id. Start alone is not enough: ticks count from boot, so the
	// same number of ticks comes again after every boot.
	Boot string `json:"boot"`
}

// Lookup returns the process that has this number now.
func Lookup(pid int) (ID, error) {
	st, err := readStat(pid)
	if err != nil {
		return ID{}, err
	}
	boot, err := bootID()
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, Start: st.start, Boot: boot}, nil
}

// Alive reports whether this process runs. A zombie does not run, and another process with
// the same number does not count.
func (id ID) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	st, err := readStat(id.PID)
	if err != nil || st.start != id.Start || st.state == 'Z' || st.state == 'X' {
		return false
	}
	boot, err := bootID()
	return err == nil && boot == id.Boot
}

// Signal sends a signal to this process and never to another one with its number. It opens
// a pidfd before it compares the process: while the pidfd is open, it stands for the same
// process. If the process is gone, Signal does nothing and returns nil.
func (id ID) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err == unix.ESRCH || err == unix.EINVAL {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, err)
	}
	defer unix.Close(fd)
	if !id.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

// Done returns a channel that is closed when the process has ended. The process need not
// be a child of this one.
func (id ID) Done() <-chan struct{} {
	done := make(chan struct{})
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil || !id.Alive() {
		if err == nil {
			unix.Close(fd)
		}
		close(done)
		return done
	}
	go func() {
		defer close(done)
		defer unix.Close(fd)
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if err != unix.EINTR {
				return
			}
		}
	}()
	return done
}

// WaitGone blocks until the process has ended or the limit has passed. It reports whether
// the process has ended.
func (id ID) WaitGone(limit time.Duration) bool {
	select {
	case <-id.Done():
		return true
	case <-time.After(limit):
		return false
	}
}

// StartedAt returns the wall-clock time at which the process began.
func (id ID) StartedAt() time.Time {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Time{}
	}
	const ticksPerSecond = 100 // USER_HZ: the unit of /proc on every Linux
	sinceBoot := time.Duration(id.Start) * time.Second / ticksPerSecond
	return time.Now().Add(sinceBoot - time.Duration(now.Nano()))
}

// WritePIDFile writes a file that identifies a process: "PID START BOOT".
func WritePIDFile(path string, id ID) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, fmt.Appendf(nil, "%d %d %s\n", id.PID, id.Start, id.Boot), 0o600); err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	return os.Rename(tmp, path)
}

// ReadPIDFile reads a file that WritePIDFile wrote. The process may have ended since; Alive reports whether it still
// runs.
func ReadPIDFile(path string) (ID, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return ID{}, err
	}
	f := strings.Fields(string(b))
	if len(f) != 3 {
		return ID{}, fmt.Errorf("read pid file %s: %q is not \"PID START BOOT\"", path, b)
	}
	pid, err1 := strconv.Atoi(f[0])
	start, err2 := strconv.ParseUint(f[1], 10, 64)
	if err1 != nil || err2 != nil {
		return ID{}, fmt.Errorf("read pid file %s: PID and START in %q must be numbers", path, b)
	}
	return ID{PID: pid, Start: start, Boot: f[2]}, nil
}

// stat holds the fields of /proc/PID/stat that this package reads.
type stat struct {
	state byte
	ppid  int
	start uint64
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// parseStat reads fields 3, 4 and 22. Field 2 is the program's name in brackets. The name
// may hold blanks and brackets itself, so parseStat counts from the last closing bracket.
func parseStat(b []byte) (stat, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, fmt.Errorf("read /proc stat: no name in %q", b)
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 20 {
		return stat{}, fmt.Errorf("read /proc stat: %d fields in %q", len(f), b)
	}
	ppid, err := strconv.Atoi(f[1])
	if err != nil {
		return stat{}, fmt.Errorf("read /proc stat: %w", err)
	}
	start, err := strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("read /proc stat: %w", err)
	}
	return stat{state: f[0][0], ppid: ppid, start: start}, nil
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
