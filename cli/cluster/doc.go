// Package cluster connects the verbs to Kubernetes: the flags that name the cluster, the client, reading a run by name,
// the logs of pods, and the completion of names in a shell.
package cluster
