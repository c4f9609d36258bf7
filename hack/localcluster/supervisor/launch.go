package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// Environment is all that a component inherits: nothing of the shell that typed `up`.
func Environment(marker string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/nonexistent",
		"TMPDIR=" + os.TempDir(),
		proc.MarkerVar + "=" + marker,
	}
}

// Launch starts a supervisor in the background and returns once it answers.
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
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if _, err := NewClient(c).Status(ctx); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the supervisor ended at once (%v); its last words are in %s", err, filepath.Join(c.Dir, "logs", "supervisor.log"))
		case <-ctx.Done():
			return errors.Join(errors.New("wait for the supervisor"), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
