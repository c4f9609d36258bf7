package factory

import (
	"time"

	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/iostreams"
)

// Factory holds what every verb is made with: the streams, the cluster, and the clock.
type Factory struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time
}

// New returns the factory of this process, with the real clock.
func New(streams *iostreams.IOStreams) *Factory {
	return &Factory{IO: streams, Cluster: cluster.New(), Now: time.Now}
}
