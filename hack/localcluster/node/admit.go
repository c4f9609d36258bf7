package node

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// reasonUnsupported marks a pod that asks for what local processes cannot give.
const reasonUnsupported = "UnsupportedOnLocalNode"

// refusals lists everything in a pod that this node cannot do, each with the way
// out where there is one. What is merely not enforced (users, capabilities that
// are dropped, seccomp, read-only roots, limits of memory and CPU) is no refusal:
// README.md lists it.
func refusals(pod *corev1.Pod) []string {
	var all []string
	no := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
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
			no("%s", f.what)
		}
	}
	for i := range spec.Volumes {
		refuseVolume(&spec.Volumes[i], no)
	}
	for i := range spec.InitContainers {
		refuseContainer(&spec.InitContainers[i], no)
	}
	for i := range spec.Containers {
		refuseContainer(&spec.Containers[i], no)
	}
	return all
}

func refuseVolume(v *corev1.Volume, no func(string, ...any)) {
	switch {
	case v.HostPath != nil:
		no("volume %s is a hostPath: use a PersistentVolumeClaim; `localcluster volume` makes a PersistentVolume over a local directory", v.Name)
	case v.EmptyDir != nil:
		if strings.HasPrefix(string(v.EmptyDir.Medium), "HugePages") {
			no("volume %s asks for huge pages", v.Name)
		}
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.Secret == nil && s.ConfigMap == nil && s.DownwardAPI == nil && s.ServiceAccountToken == nil {
				no("volume %s projects something else than a secret, a configMap, a downwardAPI or a serviceAccountToken", v.Name)
			}
		}
	case v.ConfigMap != nil, v.Secret != nil, v.DownwardAPI != nil, v.PersistentVolumeClaim != nil:
	default:
		no("volume %s is of a kind that this node does not know: it knows emptyDir, configMap, secret, projected, downwardAPI and persistentVolumeClaim", v.Name)
	}
}

func refuseContainer(c *corev1.Container, no func(string, ...any)) {
	refuse := func(format string, args ...any) { no("container "+c.Name+": "+format, args...) }
	if sc := c.SecurityContext; sc != nil {
		if sc.Privileged != nil && *sc.Privileged {
			refuse("privileged")
		}
		if sc.Capabilities != nil && len(sc.Capabilities.Add) > 0 {
			refuse("capabilities.add %v: processes get no rights that the cluster's user lacks", sc.Capabilities.Add)
		}
	}
	if c.RestartPolicy != nil || len(c.RestartPolicyRules) > 0 {
		refuse("a restart policy of its own (sidecar containers are not supported)")
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

// badMountPath: a location is replaced wherever it is written in an argument or a
// value, so it must be written in one way only.
func badMountPath(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "is not absolute"
	case path.Clean(p) == "/":
		return "is the root directory, which cannot be told apart from the machine's"
	case p != path.Clean(p) && p != path.Clean(p)+"/":
		return "is not written plainly: leave out . and .. and double slashes"
	}
	for _, own := range []string{"/proc", "/sys", "/dev"} {
		if path.Clean(p) == own {
			return "is the machine's own"
		}
	}
	return ""
}

// misfit says which resource a pod asks for beyond what is left, as the kubelet
// does for pods that the scheduler did not place. Empty: it fits.
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
	for name, asked := range want {
		if asked.IsZero() {
			continue
		}
		left := allocatable.Name(name, resource.DecimalSI).DeepCopy()
		left.Sub(used[name])
		if asked.Cmp(left) > 0 {
			return "OutOf" + string(name), fmt.Sprintf("node has %s of %s left, the pod asks for %s", left.String(), name, asked.String())
		}
	}
	return "", ""
}

func podRequests(pod *corev1.Pod) corev1.ResourceList {
	return resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
}
