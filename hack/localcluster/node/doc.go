// Package node is the cluster's one node. Its containers are local processes.
//
// Virtual-kubelet keeps the node registered and its lease fresh, and serves
// `kubectl logs` and `port-forward`. Pods are synced here and not by
// virtual-kubelet's pod controller, which deletes a pod when its grace period is
// over whether or not its processes have ended and recorded their exit codes, and
// keeps a pod for that whole period when they end sooner.
//
// The walk: run.go (register, watch pods) → worker.go (one pod, from volumes to its
// last status) → container.go (one container, its restarts) → process.go (one
// process). Decisions are pure and lie beside: admit.go (what is refused),
// rewrite.go (locations), env.go, status.go, termination.go.
//
// There is no mount namespace. A pod learns every location by argument or
// environment, and there the node replaces mount paths by the real directories.
package node
