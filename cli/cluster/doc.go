// Package cluster connects the verbs to Kubernetes: the flags that say which cluster, the client, runs by name, pods'
// logs, and the completion of names.
package cluster
