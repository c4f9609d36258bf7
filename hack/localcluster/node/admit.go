package node

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// reasonUnsupported is the reason of a pod that needs something that local processes
// cannot provide.
const reasonUnsupported = "UnsupportedOnLocalNode"

// refusals lists everything in a pod that this node does not support, each with an
// alternative if there is one. It does not list what the node accepts and does not enforce
// (users, dropped capabilities, seccomp, read-only roots, limits of memory and CPU);
// README.md lists that.
func refusals(pod *corev1.Pod) []string {
	var all []string
	refuse := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	spec := &pod.Spec
	for _, f := range []struct {
		set  bool
		what string
	}{
		{spec.HostNetwork, "hostNetwork (containers share the machine's network anyway: leave it out)"},
		{spec.HostPID, "hostPID"},
		{spec.HostIPC, "hostIPC"},
		{spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace, "shareProcessNamespace"},
		{spec.RuntimeClassName != nil, "runtimeClassName"},
		{len(spec.HostAliases) > 0, "hostAliases"},
		{len(spec.ResourceClaims) > 0, "resourceClaims"},
	} {
		if f.set {
			refuse("%s", f.what)
		}
	}
	for i := range spec.Volumes {
		refuseVolume(&spec.Volumes[i], refuse)
	}
	for i := range spec.InitContainers {
		refuseContainer(&spec.InitContainers[i], refuse)
	}
	for i := range spec.Containers {
		refuseContainer(&spec.Containers[i], refuse)
	}
	return all
}

func refuseVolume(v *corev1.Volume, refuse func(string, ...any)) {
	switch {
	case v.HostPath != nil:
		refuse("volume %s is a hostPath: use a PersistentVolumeClaim; "+
			"`localcluster volume` makes a PersistentVolume over a local directory", v.Name)
	case v.EmptyDir != nil:
		if strings.HasPrefix(string(v.EmptyDir.Medium), "HugePages") {
			refuse("volume %s asks for huge pages", v.Name)
		}
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.Secret == nil && s.ConfigMap == nil && s.DownwardAPI == nil && s.ServiceAccountToken == nil {
				refuse("volume %s projects something other than "+
					"a secret, a configMap, a downwardAPI or a serviceAccountToken", v.Name)
			}
		}
	case v.ConfigMap != nil, v.Secret != nil, v.DownwardAPI != nil, v.PersistentVolumeClaim != nil:
	default:
		refuse("volume %s is of a kind that this node does not support: it supports "+
			"emptyDir, configMap, secret, projected, downwardAPI and persistentVolumeClaim", v.Name)
	}
}

func refuseContainer(c *corev1.Container, refusePod func(string, ...any)) {
	refuse := func(format string, args ...any) { refusePod("container "+c.Name+": "+format, args...) }
	if sc := c.SecurityContext; sc != nil {
		if sc.Privileged != nil && *sc.Privileged {
			refuse("privileged")
		}
		if sc.Capabilities != nil && len(sc.Capabilities.Add) > 0 {
			refuse("capabilities.add %v: processes get no rights that the user of the cluster does not have",
				sc.Capabilities.Add)
		}
	}
	if c.RestartPolicy != nil || len(c.RestartPolicyRules) > 0 {
		refuse("a restart policy for one container (sidecar containers are not supported)")
	}
	if c.TTY || c.Stdin {
		refuse("stdin and tty")
	}
	if len(c.VolumeDevices) > 0 {
		refuse("volumeDevices")
	}
	if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
		refuse("lifecycle.postStart")
	}
	for _, m := range c.VolumeMounts {
		if m.SubPathExpr != "" {
			refuse("subPathExpr on volume %s: use subPath", m.Name)
		}
		if why := badMountPath(m.MountPath); why != "" {
			refuse("mountPath %q %s", m.MountPath, why)
		}
	}
	if why := badMountPath(c.TerminationMessagePath); c.TerminationMessagePath != "" && why != "" {
		refuse("terminationMessagePath %q %s", c.TerminationMessagePath, why)
	}
}

// badMountPath says why a path cannot be a mount path, or returns "". The node replaces a
// mount path wherever it occurs in an argument or a value, so there must be only one way
// to write the path.
func badMountPath(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "is not absolute"
	case path.Clean(p) == "/":
		return "is the root directory, which looks the same as the machine's root"
	case p != path.Clean(p) && p != path.Clean(p)+"/":
		return "must be written without . and .. and double slashes"
	}
	for _, kernel := range []string{"/proc", "/sys", "/dev"} {
		if path.Clean(p) == kernel {
			return "is a directory of the machine's kernel"
		}
	}
	return ""
}

// misfit returns a reason and a message if a pod asks for more of a resource than is left
// beside the running pods. The reason is the kubelet's, which checks pods that the
// scheduler did not place. Both are empty if the pod fits.
func misfit(pod *corev1.Pod, running []*corev1.Pod, allocatable corev1.ResourceList) (reason, message string) {
	used := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(int64(len(running)), resource.DecimalSI)}
	for _, p := range running {
		for name, q := range podRequests(p) {
			sum := used[name]
			sum.Add(q)
			used[name] = sum
		}
	}
	want := podRequests(pod)
	want[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	for name, request := range want {
		if request.IsZero() {
			continue
		}
		left := allocatable.Name(name, resource.DecimalSI).DeepCopy()
		left.Sub(used[name])
		if request.Cmp(left) > 0 {
			message := fmt.Sprintf("node has %s of %s left, the pod asks for %s", left.String(), name, request.String())
			return "OutOf" + string(name), message
		}
	}
	return "", ""
}

func podRequests(pod *corev1.Pod) corev1.ResourceList {
	return resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
}
