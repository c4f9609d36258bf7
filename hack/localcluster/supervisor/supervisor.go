package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// Component is one process of the cluster.
type Component struct {
	Name string
	// Orderly components are asked to end (SIGTERM) and given time for it; the
	// others keep their state elsewhere and are simply killed.
	Orderly bool
	// Again marks Kubernetes' programs that end themselves when the API server or etcd
	// is away for long, because they count on being started again.
	Again bool
}

// The components by name.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	NATS              = "nats"
	Node              = "node"
)

// Components in the order in which they start; they end in the opposite one.
var Components = []Component{
	{Name: Etcd, Orderly: true},
	{Name: NATS, Orderly: true},
	{Name: APIServer, Again: true},
	{Name: ControllerManager, Again: true},
	{Name: Scheduler, Again: true},
	{Name: Node, Orderly: true},
}

// Find looks a component up by name.
func Find(name string) (Component, error) {
	names := ""
	for _, k := range Components {
		if k.Name == name {
			return k, nil
		}
		names += " " + k.Name
	}
	return Component{}, fmt.Errorf("no component is called %q; there are:%s", name, names)
}

// stopLimit is how long an orderly component may take to end.
const stopLimit = 5 * time.Second

// Supervisor owns the running components.
type Supervisor struct {
	cluster *cluster.Cluster
	program string
	parent  *proc.Parent
	log     *slog.Logger

	mu      sync.Mutex
	running map[string]*child
	// last says how a component that is not running ended.
	last map[string]string
	// wanted: started and neither stopped nor killed since.
	wanted map[string]bool
}

type child struct {
	id    proc.ID
	ended chan struct{}
}

// Run supervises until it is told to shut down, a signal comes, or the owner ends.
func Run(ctx context.Context, c *cluster.Cluster, owner int, log *slog.Logger) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	parent, err := proc.NewParent()
	if err != nil {
		return err
	}
	self, err := proc.Lookup(os.Getpid())
	if err != nil {
		return err
	}
	if err := proc.WritePIDFile(c.PIDFile("supervisor"), self); err != nil {
		return err
	}
	s := &Supervisor{
		cluster: c, program: program, parent: parent, log: log,
		running: map[string]*child{}, last: map[string]string{}, wanted: map[string]bool{},
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if owner != 0 {
		id, err := proc.Lookup(owner)
		if err != nil {
			return fmt.Errorf("watch the owner: no process %d: %w", owner, err)
		}
		go func() {
			<-id.Done()
			log.Info("the owner ended", "pid", owner)
			stop()
		}()
	}
	err = s.serve(ctx, stop)
	s.shutDown()
	return err
}

// start starts a component unless it runs.
func (s *Supervisor) start(name string) error {
	if _, err := Find(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[name] != nil {
		return nil
	}
	out, err := os.OpenFile(s.cluster.LogFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer out.Close()
	fmt.Fprintf(out, "---- %s starts at %s\n", name, time.Now().UTC().Format(time.RFC3339))
	cmd := exec.Command(s.program, "component", name, "--dir", s.cluster.Dir)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = s.cluster.Dir
	cmd.Env = Environment(s.cluster.Marker(name))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: deathSignal(name)}
	if err := s.parent.Start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	id, err := proc.Lookup(cmd.Process.Pid)
	if err == nil {
		err = proc.WritePIDFile(s.cluster.PIDFile(name), id)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.log.Info("started", "component", name, "pid", id.PID)
	k := &child{id: id, ended: make(chan struct{})}
	s.running[name], s.wanted[name] = k, true
	go s.reap(name, cmd, k)
	return nil
}

// deathSignal is what a component gets when the supervisor dies. The node gets the
// chance to end its pods' processes, which may have left its process group; all
// others have nothing to clear up.
func deathSignal(name string) syscall.Signal {
	if name == Node {
		return syscall.SIGTERM
	}
	return syscall.SIGKILL
}

func (s *Supervisor) reap(name string, cmd *exec.Cmd, k *child) {
	err := s.parent.Wait(cmd)
	how := "ended"
	if err != nil {
		how = "ended: " + err.Error()
	}
	if name == Node {
		// Containers die with the node; children of theirs in other sessions may not.
		if err := proc.KillMarked(s.cluster.PodMarker()); err != nil {
			s.log.Error("end the pods' processes", "err", err)
		}
	}
	s.mu.Lock()
	delete(s.running, name)
	s.last[name] = fmt.Sprintf("%s at %s", how, time.Now().Format(time.TimeOnly))
	itself := cmd.ProcessState.Exited() && s.wanted[name]
	if !itself {
		s.wanted[name] = false // somebody stopped or killed it, and wants to see it dead
	}
	_ = os.Remove(s.cluster.PIDFile(name))
	s.mu.Unlock()
	s.log.Info("ended", "component", name, "pid", k.id.PID, "how", how)
	close(k.ended)
	if c, err := Find(name); err == nil && c.Again && itself {
		time.AfterFunc(againAfter, func() { s.startAgain(name) })
	}
}

// againAfter is how long a component that ended by itself stays away.
const againAfter = 2 * time.Second

func (s *Supervisor) startAgain(name string) {
	s.mu.Lock()
	wanted := s.wanted[name]
	s.mu.Unlock()
	if !wanted {
		return
	}
	s.log.Info("ended by itself; starting it again", "component", name)
	if err := s.start(name); err != nil {
		s.log.Error("start again", "component", name, "err", err)
	}
}

// stop ends a component and returns when it is gone.
func (s *Supervisor) stop(name string) error {
	k, err := Find(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	running := s.running[name]
	s.wanted[name] = false
	s.mu.Unlock()
	if running == nil {
		return nil
	}
	if k.Orderly {
		if err := running.id.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-running.ended:
			return nil
		case <-time.After(stopLimit):
			s.log.Warn("does not end when asked to; killing it", "component", name)
		}
	}
	if err := running.id.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-running.ended
	return nil
}

// shutDown ends everything, pods first and etcd last.
func (s *Supervisor) shutDown() {
	for i := len(Components) - 1; i >= 0; i-- {
		if err := s.stop(Components[i].Name); err != nil {
			s.log.Error("stop", "component", Components[i].Name, "err", err)
		}
	}
	_ = os.Remove(s.cluster.PIDFile("supervisor"))
}

// Status is one component as `status` shows it.
type Status struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
	// Since is the start of a running component.
	Since *time.Time `json:"since,omitempty"`
	// Ended says how one that does not run ended; empty if it never ran.
	Ended string `json:"ended,omitempty"`
	Log   string `json:"log"`
}

func (s *Supervisor) status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Status
	for _, c := range Components {
		st := Status{Name: c.Name, Ended: s.last[c.Name], Log: s.cluster.LogFile(c.Name)}
		if k := s.running[c.Name]; k != nil {
			since := k.id.StartedAt()
			st.Running, st.PID, st.Since, st.Ended = true, k.id.PID, &since, ""
		}
		all = append(all, st)
	}
	return all
}
