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

// resolveMounts records where the container's mounts are on this machine. volumes holds
// the directories of the pod's volumes by name.
func (c *container) resolveMounts(volumes map[string]string) {
	var mounts []mount
	for _, m := range c.spec.VolumeMounts {
		dir := volumes[m.Name]
		if m.SubPath != "" {
			dir = filepath.Join(dir, m.SubPath)
		}
		mounts = append(mounts, mount{path: filepath.Clean(m.MountPath), onDisk: dir})
		for _, v := range c.worker.current().Spec.Volumes {
			if v.Name == m.Name && v.Projected != nil {
				for _, s := range v.Projected.Sources {
					if t := s.ServiceAccountToken; t != nil && t.Audience == "" {
						c.tokenFile = filepath.Join(dir, t.Path)
					}
				}
			}
		}
	}
	if p := c.spec.TerminationMessagePath; p != "" {
		mounts = append(mounts, mount{path: filepath.Clean(p), onDisk: c.messageFile()})
	}
	c.rewrite = newRewriter(mounts)
}

// build returns the program to execute, and makes the directories that it needs. The error
// is a *waiting if the program can be built later, when something exists that is missing
// now.
func (c *container) build(ctx context.Context) (program, error) {
	n, pod := c.worker.node, c.worker.current()
	images, err := ReadImages(n.cluster)
	if err != nil {
		return program{}, &waiting{"ErrImagePull", err.Error()}
	}
	image, ok := findImage(images, c.spec.Image)
	if !ok {
		return program{}, &waiting{"ErrImagePull", fmt.Sprintf(
			"no local program is known for image %q; name one with: localcluster --dir %s image %s /path/to/program",
			c.spec.Image, n.cluster.Dir, c.spec.Image)}
	}
	for _, d := range []string{c.home(), c.temp()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return program{}, err
		}
	}
	for _, m := range c.rewrite.mounts {
		if m.onDisk == c.messageFile() {
			continue
		}
		// The first container that uses a subPath makes its directory.
		if _, err := os.Stat(m.onDisk); errors.Is(err, os.ErrNotExist) {
			if err := os.MkdirAll(m.onDisk, 0o755); err != nil {
				return program{}, err
			}
		}
	}
	fromNode := c.nodeEnv(pod)
	if c.tokenFile != "" {
		config := filepath.Join(c.dir, "kubeconfig")
		user := &clientcmdapi.AuthInfo{TokenFile: c.tokenFile}
		if err := n.cluster.WriteKubeconfig(config, user, pod.Namespace); err != nil {
			return program{}, err
		}
		fromNode["KUBECONFIG"] = config
	}
	env := newEnvironment(fromNode)
	if err := addPodEnv(env, pod, c.spec, n.allocatable, apiSource(ctx, n.client, pod.Namespace)); err != nil {
		return program{}, &waiting{"CreateContainerConfigError", err.Error()}
	}
	dir := c.home()
	if c.spec.WorkingDir != "" {
		dir = c.rewrite.text(c.spec.WorkingDir)
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return program{}, fmt.Errorf("workingDir %s is neither a directory of this machine nor in a volume",
				c.spec.WorkingDir)
		}
	}
	prog := program{env: env.list(c.rewrite), dir: dir, marker: c.worker.marker + "/" + c.spec.Name}
	prog.argv, err = commandLine(image,
		c.rewrite.texts(env.expandAll(c.spec.Command)), c.rewrite.texts(env.expandAll(c.spec.Args)), prog.path())
	return prog, err
}

// nodeEnv returns the variables that the node gives to every container, in addition to the
// pod's. No variable comes from the user who started the cluster.
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
		if m.path == "/tmp" { // the usual place of temporary files must be the pod's volume
			env["TMPDIR"] = m.onDisk
		}
	}
	if wantsGPU(c.spec) {
		env["PLUMBLINE_SIMULATED_GPU"] = "1"
	}
	return env
}
