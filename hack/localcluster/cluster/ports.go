package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports holds the components' ports, all on loopback. The first `up` chooses them and
// later ones keep them: kubeconfigs and clients hold the numbers, so a component that is
// started again must answer at its old port.
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

// Of returns a component's ports.
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

// All ports are below the range that Linux gives to outgoing connections (32768-60999).
// Otherwise Linux could give the port of a killed component to such a connection, and
// the component could not start again.
const (
	lowestPort  = 20000
	highestPort = 32767
)

func choosePorts() (Ports, error) {
	var p Ports
	for _, port := range []*int{
		&p.Etcd, &p.EtcdPeer, &p.APIServer, &p.ControllerManager, &p.Scheduler, &p.NATS, &p.NATSMonitor, &p.Kubelet,
	} {
		l, err := listenAnywhere()
		if err != nil {
			return Ports{}, err
		}
		defer l.Close() // stays open until all ports are chosen, so that they differ
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// listenAnywhere listens on a free port between lowestPort and highestPort.
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
