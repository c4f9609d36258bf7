package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// place settles where the container's mounts really are.
func (c *container) place(volumes map[string]string) {
	var mounts []mount
	for _, m := range c.spec.VolumeMounts {
		real := volumes[m.Name]
		if m.SubPath != "" {
			real = filepath.Join(real, m.SubPath)
		}
		mounts = append(mounts, mount{path: filepath.Clean(m.MountPath), real: real})
		for _, v := range c.worker.current().Spec.Volumes {
			if v.Name == m.Name && v.Projected != nil {
				for _, s := range v.Projected.Sources {
					if t := s.ServiceAccountToken; t != nil && t.Audience == "" {
						c.tokens = filepath.Join(real, t.Path)
					}
				}
			}
		}
	}
	if p := c.spec.TerminationMessagePath; p != "" {
		mounts = append(mounts, mount{path: filepath.Clean(p), real: c.messageFile()})
	}
	c.rewrite = newRewriter(mounts)
}

// build works out what to execute.
func (c *container) build(ctx context.Context) (program, error) {
	n, pod := c.worker.node, c.worker.current()
	images, err := ReadImages(n.cluster)
	if err != nil {
		return program{}, &waiting{"ErrImagePull", err.Error()}
	}
	image, ok := findImage(images, c.spec.Image)
	if !ok {
		return program{}, &waiting{"ErrImagePull", fmt.Sprintf(
			"no local program stands for image %q; name one with: localcluster --dir %s image %s /path/to/program", c.spec.Image, n.cluster.Dir, c.spec.Image)}
	}
	for _, d := range []string{c.home(), c.temp()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return program{}, err
		}
	}
	for _, m := range c.rewrite.mounts {
		if m.real != c.messageFile() { // a subPath comes into being with its first user
			if _, err := os.Stat(m.real); errors.Is(err, os.ErrNotExist) {
				if err := os.MkdirAll(m.real, 0o755); err != nil {
					return program{}, err
				}
			}
		}
	}
	given := c.nodeEnv(pod)
	if c.tokens != "" {
		config := filepath.Join(c.dir, "kubeconfig")
		if err := n.cluster.WriteKubeconfig(config, &clientcmdapi.AuthInfo{TokenFile: c.tokens}, pod.Namespace); err != nil {
			return program{}, err
		}
		given["KUBECONFIG"] = config
	}
	env := newEnvironment(given)
	if err := addPodEnv(env, pod, c.spec, n.allocatable, readFrom(ctx, n.client, pod.Namespace)); err != nil {
		return program{}, &waiting{"CreateContainerConfigError", err.Error()}
	}
	dir := c.home()
	if c.spec.WorkingDir != "" {
		dir = c.rewrite.text(c.spec.WorkingDir)
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return program{}, fmt.Errorf("workingDir %s: it is no directory of this machine and in no volume", c.spec.WorkingDir)
		}
	}
	prog := program{env: env.list(c.rewrite), dir: dir, marker: c.worker.marker + "/" + c.spec.Name}
	prog.argv, err = commandLine(image,
		c.rewrite.texts(env.expandAll(c.spec.Command)), c.rewrite.texts(env.expandAll(c.spec.Args)), prog.path())
	return prog, err
}

// nodeEnv is what every container gets beside the pod's own variables; nothing comes
// from whoever started the cluster.
func (c *container) nodeEnv(pod *corev1.Pod) map[string]string {
	n := c.worker.node
	env := map[string]string{
		"PATH":                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                    c.home(),
		"TMPDIR":                  c.temp(),
		"HOSTNAME":                cmp.Or(pod.Spec.Hostname, pod.Name),
		"KUBERNETES_SERVICE_HOST": loopback,
		"KUBERNETES_SERVICE_PORT": fmt.Sprint(n.cluster.Config.Ports.APIServer),
	}
	for _, m := range c.rewrite.mounts {
		if m.path == "/tmp" { // a program that asks nobody for a temporary directory means this one
			env["TMPDIR"] = m.real
		}
	}
	if simulatedGPUs(c.spec) {
		env["PLUMBLINE_SIMULATED_GPU"] = "1"
	}
	return env
}
