// Package node is the cluster's only node. Its containers are local processes.
//
// The library virtual-kubelet keeps the node registered and its lease fresh, and serves `kubectl logs`, `exec` and
// `port-forward`. This package runs the pods itself. Virtual-kubelet's pod controller would delete a pod when its grace
// period is over, even if the processes have not ended yet and their exit codes are not recorded. It would also keep a
// pod for the whole grace period when the processes end sooner.
//
// Read it in this order: node.go (watch pods), register.go (the Node object) → worker.go
// (one pod, from its volumes to its last status) → container.go (one container and its
// restarts) → process.go (one process). The decisions are pure functions: admit.go (which
// pods are refused), rewrite.go (mount paths), env.go, status.go, termination.go.
//
// There is no mount namespace, so a container does not find its volumes at their mount
// paths. A pod gets paths in arguments and in its environment; there the node replaces
// mount paths by the real directories.
package node
