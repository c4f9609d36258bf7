package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// Environment returns the whole environment of a component. A component gets no variable
// from the shell in which `up` was typed.
func Environment(marker string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/nonexistent",
		"TMPDIR=" + os.TempDir(),
		proc.MarkerVar + "=" + marker,
	}
}

// Launch starts a supervisor in the background and blocks until it answers. If owner is not
// 0, the supervisor ends when the process with that number ends.
func Launch(ctx context.Context, c *cluster.Cluster, owner int) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	out, err := os.OpenFile(c.LogFile("supervisor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the supervisor's log: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(program, "component", "supervisor", "--dir", c.Dir, fmt.Sprintf("--owner-pid=%d", owner))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = "/"
	cmd.Env = Environment(c.Marker("supervisor"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // cmd.ProcessState says how the supervisor ended
		close(ended)
	}()
	for {
		if _, err := NewClient(c).Status(ctx); err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the supervisor ended (%s); %s says why", cmd.ProcessState, c.LogFile("supervisor"))
		case <-ctx.Done():
			return errors.Join(errors.New("wait for the supervisor"), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
