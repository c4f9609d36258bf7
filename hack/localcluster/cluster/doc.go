// Package cluster describes a local cluster on disk: one directory that holds its
// ports, certificates, kubeconfigs, logs and data. A component that is started again
// finds them where they were. This package starts no processes.
package cluster
