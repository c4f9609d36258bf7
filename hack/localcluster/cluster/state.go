package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
)

// NodeName is the name of the cluster's only node.
const NodeName = "local"

// Cluster is a state directory, Dir, and the contents of its cluster.json.
type Cluster struct {
	Dir    string // absolute
	Config Config
}

// Config is the contents of cluster.json: what the first `up` chose and later ones keep.
type Config struct {
	// ID is part of the marker of every process of this cluster, so that no cluster ends
	// the processes of another.
	ID    string `json:"id"`
	Ports Ports  `json:"ports"`
	Node  Node   `json:"node"`
}

// Node is what the node offers to the scheduler.
type Node struct {
	// CPU and Memory are quantities; empty means what the machine has.
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
	// GPUs is the number of simulated nvidia.com/gpu.
	GPUs int `json:"gpus"`
	// Pods is the most pods that run at the same time; 0 means as many as the kubelet takes, 110.
	Pods int `json:"pods,omitempty"`
}

// Check returns an error for a size that the node could not offer.
func (n Node) Check() error {
	for _, q := range []struct{ flag, value string }{{"--cpu", n.CPU}, {"--memory", n.Memory}} {
		if q.value == "" {
			continue
		}
		v, err := resource.ParseQuantity(q.value)
		if err != nil || v.Sign() <= 0 {
			return fmt.Errorf("%s %q is no positive quantity: write it as in a pod, for example 4 or 8Gi",
				q.flag, q.value)
		}
	}
	if n.GPUs < 0 {
		return fmt.Errorf("--gpus %d is negative", n.GPUs)
	}
	if n.Pods < 0 {
		return fmt.Errorf("--pods %d is negative", n.Pods)
	}
	return nil
}

// plainPath matches the paths that a state directory and a volume may have. The node
// writes these paths into arguments, JSON and shell lines of pods, so none of their
// characters may need quotes.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/+@~-]*$`)

// CheckPath returns an error for a path that would need quotes in a pod's arguments.
func CheckPath(path string) error {
	if !plainPath.MatchString(path) {
		return fmt.Errorf("%q cannot be used: the node writes this path into arguments and JSON, "+
			"so it must be absolute and hold only letters, digits and ._/+@~-", path)
	}
	return nil
}

// DefaultDir returns the state directory of a command without --dir:
// $PLUMBLINE_CLUSTER_DIR, or else plumbline/cluster in the user's cache directory.
func DefaultDir() (string, error) {
	if d := os.Getenv("PLUMBLINE_CLUSTER_DIR"); d != "" {
		return filepath.Abs(d)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a directory for the cluster: %w; pass --dir", err)
	}
	return filepath.Join(cache, "plumbline", "cluster"), nil
}

// ErrNone is the error of Open for a directory that holds no cluster.
var ErrNone = errors.New("no cluster here")

// Open returns the cluster in a directory. The error wraps ErrNone if there is none.
func Open(dir string) (*Cluster, error) {
	c := &Cluster{Dir: dir}
	b, err := os.ReadFile(c.configFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no cluster.json; `localcluster --dir %s up` makes one", ErrNone, dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster: %w", err)
	}
	if err := json.Unmarshal(b, &c.Config); err != nil {
		return nil, fmt.Errorf("read %s: %w; to start with an empty cluster, remove the directory",
			c.configFile(), err)
	}
	return c, nil
}

// Create makes the directory, chooses ports and an ID, and saves them. It returns an
// error if the directory holds files already.
func Create(dir string, node Node) (*Cluster, error) {
	if err := CheckPath(dir); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(dir); err == nil {
		for _, e := range entries {
			if e.Name() != "lock" {
				return nil, fmt.Errorf("make a cluster in %s: the directory holds other files (%s); "+
					"choose an empty directory", dir, e.Name())
			}
		}
	}
	c := &Cluster{Dir: dir, Config: Config{Node: node}}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	c.Config.ID = hex.EncodeToString(id)
	var err error
	if c.Config.Ports, err = choosePorts(); err != nil {
		return nil, err
	}
	return c, c.Save()
}

// Save makes the state directory and writes cluster.json, whole or not at all.
func (c *Cluster) Save() error {
	for _, d := range []string{c.Dir, c.Path("logs"), c.Path("run"), c.Path("pki"), c.Path("nats")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fmt.Errorf("make the state directory: %w", err)
		}
	}
	b, err := json.MarshalIndent(c.Config, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(c.configFile(), append(b, '\n'))
}

// Lock lets only one `up` or `down` at a time work on a directory. The lock lasts until
// unlock is called or the process ends. If another process holds the lock, Lock calls
// waiting and blocks until it has the lock.
func Lock(dir string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		waiting()
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock the state directory: %w", err)
		}
	} else if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return func() { f.Close() }, nil
}

// Purge deletes the state directory. It returns an error, and deletes nothing, if the
// directory holds no cluster.json.
func (c *Cluster) Purge() error {
	if _, err := os.Stat(c.configFile()); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	return os.RemoveAll(c.Dir)
}

// WriteFile replaces a file in one step. Only the owner can read the file.
func WriteFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Path returns the path of a file below the state directory.
func (c *Cluster) Path(names ...string) string {
	return filepath.Join(append([]string{c.Dir}, names...)...)
}

func (c *Cluster) configFile() string { return c.Path("cluster.json") }

// Kubeconfig returns the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.Path("kubeconfig") }

// LogFile returns the path of a component's log.
func (c *Cluster) LogFile(component string) string { return c.Path("logs", component+".log") }

// PIDFile returns the path of a component's pid file.
func (c *Cluster) PIDFile(component string) string { return c.Path("run", component+".pid") }

// Marker returns the value of proc.MarkerVar in a component's environment.
func (c *Cluster) Marker(component string) string { return c.Config.ID + "/component/" + component }

// PodMarker returns the prefix of proc.MarkerVar that all processes of pods have. With a
// pod's UID it returns that of one pod; with a UID and a container's name, that of one
// container.
func (c *Cluster) PodMarker(names ...string) string {
	return filepath.Join(append([]string{c.Config.ID, "pod"}, names...)...)
}

// APIServer returns the API server's URL.
func (c *Cluster) APIServer() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.Config.Ports.APIServer)
}

// NATS returns the URL that NATS clients connect to.
func (c *Cluster) NATS() string { return fmt.Sprintf("nats://127.0.0.1:%d", c.Config.Ports.NATS) }
