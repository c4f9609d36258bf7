package main

import "time"

// factory holds what every verb is made with: the streams, the cluster, and the clock.
type factory struct {
	io      *ioStreams
	cluster *cluster
	now     func() time.Time
}

// newFactory returns the factory of this process, with the real clock.
func newFactory(streams *ioStreams) *factory {
	return &factory{io: streams, cluster: newCluster(), now: time.Now}
}
