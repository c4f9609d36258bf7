// Package cluster is what a local cluster is made of on disk: one directory that
// holds its ports, certificates, kubeconfigs, logs and data, so that a component
// that is started again finds everything where it was. Nothing here runs anything.
package cluster
