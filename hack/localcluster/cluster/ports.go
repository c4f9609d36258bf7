package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are all on loopback, chosen once and kept: kubeconfigs, certificates and
// clients hold them, and a component that is started again must answer at its old one.
type Ports struct {
	Etcd              int `json:"etcd"`
	EtcdPeer          int `json:"etcdPeer"`
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
	NATS              int `json:"nats"`
	NATSMonitor       int `json:"natsMonitor"`
	Kubelet           int `json:"kubelet"`
}

// Of lists a component's ports.
func (p Ports) Of(component string) []int {
	return map[string][]int{
		"etcd":                    {p.Etcd, p.EtcdPeer},
		"kube-apiserver":          {p.APIServer},
		"kube-controller-manager": {p.ControllerManager},
		"kube-scheduler":          {p.Scheduler},
		"nats":                    {p.NATS, p.NATSMonitor},
		"node":                    {p.Kubelet},
	}[component]
}

// Ports are taken below the range from which Linux takes those of outgoing
// connections (32768-60999): while a killed component is away, any connection on
// the machine could otherwise be given its port.
const (
	lowestPort  = 20000
	highestPort = 32767
)

func choosePorts() (Ports, error) {
	var p Ports
	for _, dst := range []*int{&p.Etcd, &p.EtcdPeer, &p.APIServer, &p.ControllerManager, &p.Scheduler, &p.NATS, &p.NATSMonitor, &p.Kubelet} {
		l, err := listenAnywhere()
		if err != nil {
			return Ports{}, err
		}
		defer l.Close() // held until all are chosen, so that they differ
		*dst = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

func listenAnywhere() (net.Listener, error) {
	var last error
	for range 200 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l, nil
		}
		last = err
	}
	return nil, fmt.Errorf("find a free port between %d and %d on 127.0.0.1: %w", lowestPort, highestPort, last)
}
