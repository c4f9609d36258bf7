package node

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	vknode "github.com/virtual-kubelet/virtual-kubelet/node"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/version"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

const (
	gpuResource = corev1.ResourceName("nvidia.com/gpu")
	// simulatedLabel is a label that says that the node's GPUs are simulated.
	simulatedLabel = "plumbline.dev/simulated-gpus"
	maxPods        = 110 // the kubelet's default
)

// describeNode returns the Node object. Its sizes are those of `up`'s flags, or else the
// machine's.
func describeNode(c *cluster.Cluster) (*corev1.Node, error) {
	capacity, err := capacityOf(c)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		corev1.LabelHostname:   cluster.NodeName,
		corev1.LabelOSStable:   runtime.GOOS,
		corev1.LabelArchStable: runtime.GOARCH,
	}
	if c.Config.Node.GPUs > 0 {
		labels[simulatedLabel] = "true"
	}
	now := metav1.Now()
	ready := corev1.NodeCondition{
		Type:               corev1.NodeReady,
		Status:             corev1.ConditionTrue,
		Reason:             "LocalNodeReady",
		Message:            "containers run as local processes",
		LastTransitionTime: now,
		LastHeartbeatTime:  now,
	}
	noPressure := func(t corev1.NodeConditionType) corev1.NodeCondition {
		return corev1.NodeCondition{
			Type:               t,
			Status:             corev1.ConditionFalse,
			Reason:             "NotMeasured",
			Message:            "this node does not measure it",
			LastTransitionTime: now,
			LastHeartbeatTime:  now,
		}
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: cluster.NodeName, Labels: labels},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity.DeepCopy(),
			Conditions: []corev1.NodeCondition{
				ready,
				noPressure(corev1.NodeMemoryPressure),
				noPressure(corev1.NodeDiskPressure),
				noPressure(corev1.NodePIDPressure),
			},
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: loopback},
				{Type: corev1.NodeHostName, Address: cluster.NodeName},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{
				KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(c.Config.Ports.Kubelet)},
			},
			NodeInfo: corev1.NodeSystemInfo{
				OperatingSystem:         runtime.GOOS,
				Architecture:            runtime.GOARCH,
				KubeletVersion:          version.Get().GitVersion,
				ContainerRuntimeVersion: "process://1",
				OSImage:                 "this machine",
				KernelVersion:           kernel(),
				MachineID:               c.Config.ID,
			},
		},
	}, nil
}

// capacityOf returns the node's resources.
func capacityOf(c *cluster.Cluster) (corev1.ResourceList, error) {
	cpu := *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI)
	memory, err := machineMemory()
	if err != nil {
		return nil, err
	}
	if s := c.Config.Node.CPU; s != "" {
		if cpu, err = resource.ParseQuantity(s); err != nil {
			return nil, fmt.Errorf("node CPU %q: %w", s, err)
		}
	}
	if s := c.Config.Node.Memory; s != "" {
		if memory, err = resource.ParseQuantity(s); err != nil {
			return nil, fmt.Errorf("node memory %q: %w", s, err)
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(c.Dir, &fs); err != nil {
		return nil, fmt.Errorf("measure the disk of %s: %w", c.Dir, err)
	}
	pods := maxPods
	if n := c.Config.Node.Pods; n > 0 {
		pods = n
	}
	list := corev1.ResourceList{
		corev1.ResourceCPU:              cpu,
		corev1.ResourceMemory:           memory,
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(int64(fs.Bavail)*fs.Bsize, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
	if n := c.Config.Node.GPUs; n > 0 {
		list[gpuResource] = *resource.NewQuantity(int64(n), resource.DecimalSI)
	}
	return list, nil
}

func machineMemory() (resource.Quantity, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return resource.Quantity{}, fmt.Errorf("measure the memory: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kib int64
		if _, err := fmt.Sscanf(lines.Text(), "MemTotal: %d kB", &kib); err == nil {
			return *resource.NewQuantity(kib<<10, resource.BinarySI), nil
		}
	}
	return resource.Quantity{}, fmt.Errorf("measure the memory: /proc/meminfo has no MemTotal")
}

// kernel returns the version of the running kernel.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return strings.TrimRight(string(u.Release[:]), "\x00")
}

// keepRegistered keeps the Node object and its lease fresh until ctx ends. It repeats
// register while there is no API server, and makes the object again if somebody deletes it.
func (n *Node) keepRegistered(ctx context.Context, self *corev1.Node) {
	for ctx.Err() == nil {
		err := n.register(ctx, self)
		if ctx.Err() == nil {
			n.log.Warn("register the node; trying again", "err", err)
			sleep(ctx, time.Second)
		}
	}
}

// register keeps the Node object and its lease fresh until ctx ends or an error occurs.
func (n *Node) register(ctx context.Context, self *corev1.Node) error {
	nodes := n.client.CoreV1().Nodes()
	if err := n.correct(ctx, self); err != nil {
		return err
	}
	controller, err := vknode.NewNodeController(vknode.NaiveNodeProvider{}, self.DeepCopy(), nodes,
		vknode.WithNodeEnableLeaseV1(nodeutil.NodeLeaseV1Client(n.client), vknode.DefaultLeaseDuration),
		vknode.WithNodeStatusUpdateErrorHandler(func(ctx context.Context, err error) error {
			if !apierrors.IsNotFound(err) {
				return err
			}
			_, err = nodes.Create(ctx, self.DeepCopy(), metav1.CreateOptions{})
			return err
		}))
	if err != nil {
		return err
	}
	return controller.Run(ctx)
}

// correct updates the labels of a Node object that exists already, and removes resources
// that the node no longer offers. virtual-kubelet's patch of the status does neither.
func (n *Node) correct(ctx context.Context, self *corev1.Node) error {
	nodes := n.client.CoreV1().Nodes()
	_, err := nodes.Get(ctx, self.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	labels := map[string]any{simulatedLabel: nil}
	for k, v := range self.Labels {
		labels[k] = v
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err != nil {
		return err
	}
	have, err := nodes.Patch(ctx, self.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	have.Status.Capacity, have.Status.Allocatable = self.Status.Capacity, self.Status.Allocatable
	_, err = nodes.UpdateStatus(ctx, have, metav1.UpdateOptions{})
	return err
}
