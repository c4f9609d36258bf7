package node

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// source returns the data of a ConfigMap or a Secret. found is false if the object does not
// exist.
type source func(kind, name string) (data map[string][]byte, found bool, err error)

// The kinds that a source takes.
const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
)

// environment holds a container's variables in the order in which they were set.
type environment struct {
	names  []string
	values map[string]string
	// node holds the variables from the node. Their values hold real paths already, so they
	// are never rewritten. The pod's values cannot refer to them.
	node map[string]string
}

func newEnvironment(node map[string]string) *environment {
	return &environment{values: map[string]string{}, node: node}
}

func (e *environment) set(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

// expand replaces $(NAME) as the kubelet does: $$ stands for a single $, and $(NAME) stays
// if no variable has the name.
func (e *environment) expand(s string) string {
	return expansion.Expand(s, expansion.MappingFuncFor(e.values))
}

func (e *environment) expandAll(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = e.expand(s)
	}
	return out
}

// list returns the environment as exec takes it: the node's variables, except those that
// the pod sets, then the pod's with mount paths replaced.
func (e *environment) list(r rewriter) []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(e.node)) {
		if _, ok := e.values[n]; !ok {
			out = append(out, n+"="+e.node[n])
		}
	}
	for _, n := range e.names {
		out = append(out, n+"="+r.text(e.values[n]))
	}
	return out
}

// addPodEnv adds the pod's variables: first envFrom, then env in order, so that a later
// value may refer to an earlier variable.
func addPodEnv(
	e *environment, pod *corev1.Pod, c *corev1.Container, allocatable corev1.ResourceList, read source,
) error {
	for _, from := range c.EnvFrom {
		if err := addEnvFrom(e, from, read); err != nil {
			return err
		}
	}
	for _, v := range c.Env {
		value, set, err := envValue(e, v, pod, c, allocatable, read)
		if err != nil {
			return fmt.Errorf("environment variable %s: %w", v.Name, err)
		}
		if set {
			e.set(v.Name, value)
		}
	}
	return nil
}

func addEnvFrom(e *environment, from corev1.EnvFromSource, read source) error {
	kind, name, optional := "", "", (*bool)(nil)
	switch {
	case from.ConfigMapRef != nil:
		kind, name, optional = kindConfigMap, from.ConfigMapRef.Name, from.ConfigMapRef.Optional
	case from.SecretRef != nil:
		kind, name, optional = kindSecret, from.SecretRef.Name, from.SecretRef.Optional
	default:
		return nil
	}
	data, found, err := read(kind, name)
	if err != nil {
		return err
	}
	if !found {
		if optional != nil && *optional {
			return nil
		}
		return fmt.Errorf("envFrom: %s %q not found", kind, name)
	}
	for _, k := range slices.Sorted(maps.Keys(data)) {
		if len(utilvalidation.IsRelaxedEnvVarName(from.Prefix+k)) == 0 {
			e.set(from.Prefix+k, string(data[k]))
		}
	}
	return nil
}

// envValue returns the value of a variable. set is false if the value comes from an
// optional key that does not exist.
func envValue(
	e *environment, v corev1.EnvVar, pod *corev1.Pod, c *corev1.Container, allocatable corev1.ResourceList, read source,
) (value string, set bool, err error) {
	from := v.ValueFrom
	switch {
	case from == nil:
		return e.expand(v.Value), true, nil
	case from.FieldRef != nil:
		value, err = fieldValue(pod, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		name := from.ResourceFieldRef.ContainerName
		if name == "" {
			name = c.Name
		}
		value, err = resource.ExtractResourceValueByContainerNameAndNodeAllocatable(
			from.ResourceFieldRef, pod, name, allocatable)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		return keyValue(kindConfigMap, ref.Name, ref.Key, ref.Optional, read)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		return keyValue(kindSecret, ref.Name, ref.Key, ref.Optional, read)
	}
	return "", false, fmt.Errorf("this node does not support the source of its value")
}

// keyValue returns the value of one key of a ConfigMap or Secret.
func keyValue(kind, name, key string, optional *bool, read source) (string, bool, error) {
	data, found, err := read(kind, name)
	if err != nil {
		return "", false, err
	}
	value, has := data[key]
	switch {
	case has:
		return string(value), true, nil
	case optional != nil && *optional:
		return "", false, nil
	case !found:
		return "", false, fmt.Errorf("%s %q not found", kind, name)
	}
	return "", false, fmt.Errorf("%s %q has no key %q", kind, name, key)
}

// fieldValue returns a field of the pod. The kubelet's library knows the fields of the
// metadata; the node itself knows those of spec and status.
func fieldValue(pod *corev1.Pod, field string) (string, error) {
	switch field {
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs":
		return loopback, nil
	}
	return fieldpath.ExtractFieldPathAsString(pod, field)
}

// wantsGPU reports whether a container asks for a (simulated) GPU.
func wantsGPU(c *corev1.Container) bool {
	q := c.Resources.Limits[gpuResource]
	return !q.IsZero()
}
