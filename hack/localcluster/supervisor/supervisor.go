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
	// Orderly components get SIGTERM and stopLimit to end. The others hold no state, so
	// they are killed at once.
	Orderly bool
	// Restart says that the supervisor starts the component again when it exits. It is set
	// for Kubernetes' programs: they exit when the API server or etcd is away for long, and
	// expect to be started again.
	Restart bool
}

// The names of the components.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	NATS              = "nats"
	Node              = "node"
)

// Components lists all components in the order in which they start. They end in the
// opposite order.
var Components = []Component{
	{Name: Etcd, Orderly: true},
	{Name: NATS, Orderly: true},
	{Name: APIServer, Restart: true},
	{Name: ControllerManager, Restart: true},
	{Name: Scheduler, Restart: true},
	{Name: Node, Orderly: true},
}

// Find returns the component with this name. The error lists all names.
func Find(name string) (Component, error) {
	names := ""
	for _, component := range Components {
		if component.Name == name {
			return component, nil
		}
		names += " " + component.Name
	}
	return Component{}, fmt.Errorf("there is no component %q; the components are:%s", name, names)
}

// stopLimit is how long an orderly component may take to end before it is killed.
const stopLimit = 5 * time.Second

// Supervisor starts, stops and watches the components.
type Supervisor struct {
	cluster *cluster.Cluster
	program string
	parent  *proc.Parent
	log     *slog.Logger

	mu      sync.Mutex
	running map[string]*child // by component
	// ended says how and when a component last ended.
	ended map[string]string
	// wanted holds the components that were started and neither stopped nor killed since.
	wanted map[string]bool
}

// child is the process of a running component.
type child struct {
	id   proc.ID
	done chan struct{} // closed when the process has ended
}

// Run supervises until a shutdown command, until ctx ends, or until the owner ends: the
// process with the number owner, if that is not 0. Then it ends all components.
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
		running: map[string]*child{}, ended: map[string]string{}, wanted: map[string]bool{},
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

// start starts a component. It does nothing if the component runs.
func (s *Supervisor) start(name string) error {
	if _, err := Find(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for process := s.running[name]; process != nil; process = s.running[name] {
		if process.id.Alive() {
			return nil
		}
		// The process was just killed and reap has not seen it yet.
		s.mu.Unlock()
		<-process.done
		s.mu.Lock()
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
	process := &child{id: id, done: make(chan struct{})}
	s.running[name], s.wanted[name] = process, true
	go s.reap(name, cmd, process)
	return nil
}

// deathSignal returns the signal that a component gets when the supervisor dies. The node
// gets SIGTERM, so that it can end its pods' processes, which may have left its process
// group. The other components have nothing to clear up.
func deathSignal(name string) syscall.Signal {
	if name == Node {
		return syscall.SIGTERM
	}
	return syscall.SIGKILL
}

// reap waits for a component's process, records its end, and starts it again if it exited
// and is a component that expects this.
func (s *Supervisor) reap(name string, cmd *exec.Cmd, process *child) {
	err := s.parent.Wait(cmd)
	how := "ended"
	if err != nil {
		how = "ended: " + err.Error()
	}
	if name == Node {
		// Containers die with the node, but children of theirs in other sessions may not.
		if err := proc.KillMarked(s.cluster.PodMarker()); err != nil {
			s.log.Error("end the pods' processes", "err", err)
		}
	}
	s.mu.Lock()
	delete(s.running, name)
	s.ended[name] = fmt.Sprintf("%s at %s", how, time.Now().Format(time.TimeOnly))
	exited := cmd.ProcessState.Exited() && s.wanted[name]
	if !exited {
		s.wanted[name] = false // somebody stopped or killed the component and wants it dead
	}
	_ = os.Remove(s.cluster.PIDFile(name))
	s.mu.Unlock()
	s.log.Info("ended", "component", name, "pid", process.id.PID, "how", how)
	close(process.done)
	if component, err := Find(name); err == nil && component.Restart && exited {
		time.AfterFunc(restartDelay, func() { s.restart(name) })
	}
}

// restartDelay is the time between the exit of a component and its next start.
const restartDelay = 2 * time.Second

// restart starts a component that exited, unless somebody has stopped it since.
func (s *Supervisor) restart(name string) {
	s.mu.Lock()
	wanted := s.wanted[name]
	s.mu.Unlock()
	if !wanted {
		return
	}
	s.log.Info("starting a component again that exited", "component", name)
	if err := s.start(name); err != nil {
		s.log.Error("start again", "component", name, "err", err)
	}
}

// stop ends a component and blocks until its process has ended. It does nothing if the
// component does not run.
func (s *Supervisor) stop(name string) error {
	component, err := Find(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	process := s.running[name]
	s.wanted[name] = false
	s.mu.Unlock()
	if process == nil {
		return nil
	}
	if component.Orderly {
		if err := process.id.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-process.done:
			return nil
		case <-time.After(stopLimit):
			s.log.Warn("component did not end when asked to; killing it", "component", name)
		}
	}
	if err := process.id.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-process.done
	return nil
}

// shutDown ends all components: the node and its pods first, etcd last.
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
	// Since is when a running component started.
	Since *time.Time `json:"since,omitempty"`
	// Ended says how and when a stopped component ended. It is empty while the component runs, and if this supervisor
	// has never started the component.
	Ended string `json:"ended,omitempty"`
	// Log is the path of the component's log.
	Log string `json:"log"`
}

func (s *Supervisor) status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Status
	for _, c := range Components {
		st := Status{Name: c.Name, Ended: s.ended[c.Name], Log: s.cluster.LogFile(c.Name)}
		if process := s.running[c.Name]; process != nil {
			since := process.id.StartedAt()
			st.Running, st.PID, st.Since, st.Ended = true, process.id.PID, &since, ""
		}
		all = append(all, st)
	}
	return all
}
