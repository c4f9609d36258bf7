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

const namespace = "drill"

// cluster is a local cluster with two operators, one of which leads.
type cluster struct {
	bin, state, root string // programs, state, the repository
	client           client.WithWatch
	proxy            *proxy // between the operators and the API server
}

// open starts a cluster of its own, with the volumes that runs claim. Whoever opens it stops it.
func (c config) open(ctx context.Context) (*cluster, error) {
	if _, err := os.Stat(filepath.Join(c.bin, "localcluster")); err != nil {
		return nil, fmt.Errorf("%w: hack/drills.sh builds the programs, and --bin names another directory of them", err)
	}
	dir, err := os.MkdirTemp("", "plumbline-drill-")
	if err != nil {
		return nil, err
	}
	cl := &cluster{bin: c.bin, state: filepath.Join(dir, "cluster"), root: c.root}
	if err = cl.start(ctx); err == nil {
		err = cl.volumes(ctx)
	}
	if err != nil {
		cl.stop()
		return nil, err
	}
	return cl, nil
}

// start brings it up. It ends with this process, however that ends.
func (c *cluster) start(ctx context.Context) error {
	// First the cluster alone, whose directory must be empty; then what is installed in it.
	if _, err := c.localcluster(ctx, "up", "--gpus=8", "--cpu=16", "--pods=600", "--owner-pid="+strconv.Itoa(os.Getpid()),
		"--image=plumbline.dev/operator:dev="+filepath.Join(c.bin, "plumbline-operator"), "--image=plumbline.dev/trainer:dev="+filepath.Join(c.bin, "plumbline-trainer")); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(c.state, "kubeconfig"))
	if err != nil {
		return err
	}
	if c.proxy, err = newProxy(strings.TrimPrefix(config.Host, "https://")); err != nil {
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
	c.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return err
}

// writeInstallation makes hack/up.sh install two operators. They share the machine's network, so they serve neither metrics nor probes.
// They, and nobody else, reach the API server through the proxy: the node tells a pod where it is in a kubeconfig of the pod's own, with
// the pod's own token, of which each takes a copy.
func (c *cluster) writeInstallation() error {
	install := filepath.Join(c.state, "install")
	if err := errors.Join(os.MkdirAll(install, 0o755), os.MkdirAll(c.failpoints(), 0o755)); err != nil {
		return err
	}
	local, err := filepath.Rel(install, filepath.Join(c.root, "config/local"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(install, "kustomization.yaml"), []byte(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- `+local+`
patches:
- target: {kind: Deployment, name: plumbline-operator}
  patch: |
    - {op: replace, path: /spec/replicas, value: 2}
    - {op: replace, path: /spec/template/spec/containers/0/args/5, value: --metrics-bind-address=0}
    - {op: replace, path: /spec/template/spec/containers/0/args/6, value: --health-probe-bind-address=0}
    - op: add
      path: /spec/template/spec/containers/0/command
      value: [sh, -ec, 'sed "s|server: .*|server: https://`+c.proxy.address()+`|" "$KUBECONFIG" >"$TMPDIR/proxied"; export KUBECONFIG="$TMPDIR/proxied"; exec "$0" "$@"', `+strconv.Quote(filepath.Join(c.bin, "plumbline-operator"))+`]
    - {op: remove, path: /spec/template/spec/containers/0/livenessProbe}
    - {op: remove, path: /spec/template/spec/containers/0/readinessProbe}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: DRILL_FAILPOINTS, value: `+c.failpoints()+`}}
`), 0o644)
}

func (c *cluster) stop() {
	_, _ = c.localcluster(context.Background(), "down")
	if c.proxy != nil {
		c.proxy.close()
	}
	os.RemoveAll(filepath.Dir(c.state))
}

// localcluster runs a verb of the cluster's program.
func (c *cluster) localcluster(ctx context.Context, args ...string) (string, error) {
	return c.command(ctx, "", "localcluster", append([]string{"--dir", c.state}, args...)...)
}

func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return c.localcluster(ctx, append([]string{"kubectl"}, args...)...)
}

func (c *cluster) command(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// apply tries until the API server takes it: it may be starting.
func (c *cluster) apply(ctx context.Context, manifests ...map[string]any) error {
	for _, m := range manifests {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := c.insist(ctx, func() error {
			_, err := c.command(ctx, string(text), "localcluster", "--dir", c.state, "kubectl", "apply", "-f", "-")
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// insist does something until it works, for a minute.
func (c *cluster) insist(ctx context.Context, do func() error) error {
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

// volumes are directories that a namespace which enforces restricted Pod Security claims.
func (c *cluster) volumes(ctx context.Context) error {
	manifests := []map[string]any{{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{
		"name": namespace, "labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}}}}
	for _, name := range []string{"data", "checkpoints"} {
		if _, err := c.localcluster(ctx, "volume", namespace+"-"+name, c.volume(name), "--claim", namespace+"/"+name); err != nil {
			return err
		}
		manifests = append(manifests, map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
			"metadata": map[string]any{"name": name, "namespace": namespace},
			"spec": map[string]any{"accessModes": []any{"ReadWriteMany"}, "storageClassName": "", "volumeName": namespace + "-" + name,
				"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}})
	}
	return c.apply(ctx, manifests...)
}

// synth makes the dataset that the drills train on.
func (c *cluster) synth(ctx context.Context, samples int) error {
	_, err := c.command(ctx, "", "plumb", "dataset", "synth", "--out", filepath.Join(c.volume("data"), "toy"), "--samples", strconv.Itoa(samples),
		"--package-size", "4", "--size", "48", "--prevalence", "0.3", "--min-severity", "0.7", "--label-noise", "0", "--seed", "7")
	return err
}

// failpoints is where programs that were built for drills look for armed points.
func (c *cluster) failpoints() string { return filepath.Join(c.state, "failpoints") }

func (c *cluster) volume(name string) string { return filepath.Join(c.state, "volumes", "drill-"+name) }

// processes are those of a program, in this cluster alone, whose environment has a word.
func (c *cluster) processes(program, word string) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		if filepath.Base(exe) != program {
			continue
		}
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && strings.Contains(string(env), c.state) && strings.Contains(string(env), word) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// component is the process id of a part of the control plane.
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

// killComponent kills it and starts it again after a while.
func (c *cluster) killComponent(ctx context.Context, name string, away time.Duration) error {
	pid, err := c.component(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	pause(ctx, away)
	return c.insist(ctx, func() error { _, err := c.localcluster(ctx, "start", name); return err })
}

// freeze stops processes for a while without ending them: to whom they talk it is as if the cable had been pulled.
func freeze(ctx context.Context, pids []int, d time.Duration) error {
	for _, p := range pids {
		_ = syscall.Kill(p, syscall.SIGSTOP)
		defer syscall.Kill(p, syscall.SIGCONT)
	}
	pause(ctx, d)
	return nil
}

// replaceDeadOperators deletes the pods of operators whose process is gone, as a node that is replaced would.
func (c *cluster) replaceDeadOperators(ctx context.Context) error {
	return c.insist(ctx, func() error {
		out, err := c.kubectl(ctx, "get", "pods", "-n", "plumbline-system", "-l", "app.kubernetes.io/name=plumbline-operator", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			name, uid, _ := strings.Cut(strings.TrimSpace(line), " ")
			if len(c.processes("plumbline-operator", uid)) > 0 {
				continue
			}
			if _, err := c.kubectl(ctx, "delete", "pod", name, "-n", "plumbline-system", "--wait=false", "--ignore-not-found"); err != nil {
				return err
			}
		}
		return nil
	})
}

// pause waits, or says false when there is no time left to.
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

func clock(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.UTC().Format("15:04:05")
}
