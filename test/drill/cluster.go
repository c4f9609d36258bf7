package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	namespace         = "drill" // of the runs
	operatorNamespace = "plumbline-system"
	operatorLabel     = "app.kubernetes.io/name=plumbline-operator"
)

// cluster is a local cluster with two operators, one of which leads.
type cluster struct {
	bin    string // directory of the programs
	state  string // directory of the cluster's own files
	root   string // directory of the repository
	client client.WithWatch
	proxy  *proxy // between the operators and the API server
}

// open starts a cluster with the volumes that runs claim. The caller stops it.
func (c config) open(ctx context.Context) (*cluster, error) {
	if _, err := os.Stat(filepath.Join(c.bin, "localcluster")); err != nil {
		return nil, fmt.Errorf("%w: build the programs with hack/drills.sh, or name their directory with --bin", err)
	}
	dir, err := os.MkdirTemp("", "plumbline-drill-")
	if err != nil {
		return nil, err
	}
	cl := &cluster{bin: c.bin, state: filepath.Join(dir, "cluster"), root: c.root}
	if err = cl.start(ctx); err == nil {
		err = cl.claimVolumes(ctx)
	}
	if err != nil {
		cl.stop()
		return nil, err
	}
	return cl, nil
}

// start starts the cluster's processes. They end with this process, however it ends.
func (c *cluster) start(ctx context.Context) error {
	// The cluster starts first, because it needs an empty directory. Then hack/up.sh installs the kustomization that
	// this program writes into that directory.
	_, err := c.localcluster(ctx, "up", "--gpus=8", "--cpu=16", "--pods=600",
		"--owner-pid="+strconv.Itoa(os.Getpid()),
		"--image=plumbline.dev/operator:dev="+filepath.Join(c.bin, "plumbline-operator"),
		"--image=plumbline.dev/trainer:dev="+filepath.Join(c.bin, "plumbline-trainer"))
	if err != nil {
		return err
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", filepath.Join(c.state, "kubeconfig"))
	if err != nil {
		return err
	}
	if c.proxy, err = newProxy(strings.TrimPrefix(restConfig.Host, "https://")); err != nil {
		return err
	}
	if err := c.writeInstallation(); err != nil {
		return err
	}
	up := exec.CommandContext(ctx, filepath.Join(c.root, "hack/up.sh"), c.bin, c.state)
	up.Env = append(os.Environ(), "GPUS=8", "CPUS=16")
	if out, err := up.CombinedOutput(); err != nil {
		return fmt.Errorf("start the cluster: %w\n%s", err, out)
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	c.client, err = client.NewWithWatch(restConfig, client.Options{Scheme: scheme})
	return err
}

// writeInstallation writes the kustomization that hack/up.sh installs.
func (c *cluster) writeInstallation() error {
	install := filepath.Join(c.state, "install")
	if err := errors.Join(os.MkdirAll(install, 0o755), os.MkdirAll(c.failpoints(), 0o755)); err != nil {
		return err
	}
	local, err := filepath.Rel(install, filepath.Join(c.root, "config/local"))
	if err != nil {
		return err
	}
	text := installation(local, c.proxy.address(), filepath.Join(c.bin, "plumbline-operator"), c.failpoints())
	return os.WriteFile(filepath.Join(install, "kustomization.yaml"), []byte(text), 0o644)
}

// installation returns a kustomization of two operators, made from the one in the directory local. The operators share
// the machine's network, so they serve neither metrics nor probes.
//
// Only the operators reach the API server through the proxy. The node gives each pod a kubeconfig with the
// pod's own token, so an operator's command copies that file, with the proxy as the server.
func installation(local, proxyAddress, operator, failpoints string) string {
	command := `sed "s|server: .*|server: https://` + proxyAddress + `|" "$KUBECONFIG" >"$TMPDIR/proxied"; ` +
		`export KUBECONFIG="$TMPDIR/proxied"; exec "$0" "$@"`
	return fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- %s
patches:
- target: {kind: Deployment, name: plumbline-operator}
  patch: |
    - {op: replace, path: /spec/replicas, value: 2}
    - {op: replace, path: /spec/template/spec/containers/0/args/5, value: --metrics-bind-address=0}
    - {op: replace, path: /spec/template/spec/containers/0/args/6, value: --health-probe-bind-address=0}
    - op: add
      path: /spec/template/spec/containers/0/command
      value: [sh, -ec, '%s', %q]
    - {op: remove, path: /spec/template/spec/containers/0/livenessProbe}
    - {op: remove, path: /spec/template/spec/containers/0/readinessProbe}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: DRILL_FAILPOINTS, value: %s}}
`, local, command, operator, failpoints)
}

// stop ends the cluster and deletes its directory.
func (c *cluster) stop() {
	_, _ = c.localcluster(context.Background(), "down")
	if c.proxy != nil {
		c.proxy.shutDown()
	}
	os.RemoveAll(filepath.Dir(c.state))
}

// localcluster runs a command of the program localcluster.
func (c *cluster) localcluster(ctx context.Context, args ...string) (string, error) {
	return c.command(ctx, "", "localcluster", append([]string{"--dir", c.state}, args...)...)
}

func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return c.localcluster(ctx, append([]string{"kubectl"}, args...)...)
}

// command runs one of the programs and returns what it printed, both streams together. The error contains it as well.
func (c *cluster) command(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// apply applies manifests. It retries, since the API server may be starting.
func (c *cluster) apply(ctx context.Context, manifests ...object) error {
	for _, m := range manifests {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := c.retry(ctx, func() error {
			_, err := c.command(ctx, string(text), "localcluster", "--dir", c.state, "kubectl", "apply", "-f", "-")
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// retry calls do every second until it succeeds, for a minute at most, and returns its last error.
func (c *cluster) retry(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := do()
		if err == nil {
			return nil
		}
		if !pause(ctx, time.Second) {
			return err
		}
	}
}

// claimVolumes makes the namespace, and the volumes that runs in it claim. A volume is a directory.
func (c *cluster) claimVolumes(ctx context.Context) error {
	manifests := []object{restrictedNamespace()}
	for _, claim := range []string{"data", "checkpoints"} {
		volume := namespace + "-" + claim
		_, err := c.localcluster(ctx, "volume", volume, c.volume(claim), "--claim", namespace+"/"+claim)
		if err != nil {
			return err
		}
		manifests = append(manifests, claimedVolume(claim, volume))
	}
	return c.apply(ctx, manifests...)
}

// synth makes the dataset on which the runs train.
func (c *cluster) synth(ctx context.Context, samples int) error {
	_, err := c.command(ctx, "", "plumb", "dataset", "synth", "--out", filepath.Join(c.volume("data"), "toy"),
		"--samples", strconv.Itoa(samples), "--package-size", "4", "--size", "48", "--prevalence", "0.3",
		"--min-severity", "0.7", "--label-noise", "0", "--seed", "7")
	return err
}

// failpoints returns the directory in which programs with the build tag drill look for armed points.
func (c *cluster) failpoints() string { return filepath.Join(c.state, "failpoints") }

// volume returns the directory behind a claim.
func (c *cluster) volume(name string) string { return filepath.Join(c.state, "volumes", "drill-"+name) }

// processes returns the process ids of a program in this cluster whose environment contains word.
func (c *cluster) processes(program, word string) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		if filepath.Base(exe) != program {
			continue
		}
		b, _ := os.ReadFile(filepath.Join(dir, "environ"))
		env := string(b)
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && strings.Contains(env, c.state) && strings.Contains(env, word) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// component returns the process id of a component of the control plane.
func (c *cluster) component(name string) (int, error) {
	b, err := os.ReadFile(filepath.Join(c.state, "run", name+".pid"))
	if err != nil {
		return 0, err
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil || pid < 2 {
		return 0, fmt.Errorf("read %s.pid: %q", name, b)
	}
	return pid, nil
}

// killComponent kills a component of the control plane and starts it again after the given time.
func (c *cluster) killComponent(ctx context.Context, name string, away time.Duration) error {
	pid, err := c.component(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	pause(ctx, away)
	return c.retry(ctx, func() error {
		_, err := c.localcluster(ctx, "start", name)
		return err
	})
}

// freeze stops processes for the time d and lets them continue. Their connections stay open, and nothing answers on
// them, as on a network that is cut.
func freeze(ctx context.Context, pids []int, d time.Duration) error {
	for _, p := range pids {
		_ = syscall.Kill(p, syscall.SIGSTOP)
		defer func() { _ = syscall.Kill(p, syscall.SIGCONT) }()
	}
	pause(ctx, d)
	return nil
}

// replaceDeadOperators deletes the pods of operators whose process has ended, so that the Deployment makes new ones. A
// container that is killed often would be started again only after a minute.
func (c *cluster) replaceDeadOperators(ctx context.Context) error {
	return c.retry(ctx, func() error {
		pods, err := c.operatorPods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if len(c.processes("plumbline-operator", pod.uid)) > 0 {
				continue
			}
			_, err := c.kubectl(ctx, "delete", "pod", pod.name, "-n", operatorNamespace,
				"--wait=false", "--ignore-not-found")
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type podID struct{ name, uid string }

// operatorPods returns the pods of the operators.
func (c *cluster) operatorPods(ctx context.Context) (pods []podID, err error) {
	const format = `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}`
	out, err := c.kubectl(ctx, "get", "pods", "-n", operatorNamespace, "-l", operatorLabel, "-o", format)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		name, uid, _ := strings.Cut(strings.TrimSpace(line), " ")
		pods = append(pods, podID{name, uid})
	}
	return pods, nil
}

// leftovers deletes a run, waits until its Jobs, pods and Secrets are gone, and returns the names of those that are
// still there after the time stuckAfter.
func (c *cluster) leftovers(ctx context.Context, name, uid string) ([]string, error) {
	err := c.retry(ctx, func() error {
		_, err := c.kubectl(ctx, "delete", "trainingrun", name, "-n", namespace, "--wait", "--ignore-not-found")
		return err
	})
	if err != nil {
		return nil, err
	}
	var names []string
	ofRun := "plumbline.dev/run-uid=" + uid
	for range int(stuckAfter / time.Second) {
		out, err := c.kubectl(ctx, "get", "jobs,pods,secrets", "-n", namespace, "-l", ofRun, "-o", "name")
		if names = strings.Fields(out); err == nil && len(names) == 0 {
			break
		}
		if !pause(ctx, time.Second) {
			return names, ctx.Err()
		}
	}
	return names, nil
}

// consumers returns the number of consumers of the report stream. It waits up to a minute until only one is left, since
// the server takes a while to forget the consumers of operators that were killed.
func (c *cluster) consumers(ctx context.Context) (n int, err error) {
	for range 60 {
		s, done, err := stream(ctx, c)
		if err != nil {
			return 0, err
		}
		info, err := s.Info(ctx)
		done()
		if err != nil {
			return 0, err
		}
		if n = info.State.Consumers; n <= 1 {
			break
		}
		if !pause(ctx, time.Second) {
			return n, ctx.Err()
		}
	}
	return n, nil
}

// pause blocks for the time d, and reports whether ctx lasted as long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
