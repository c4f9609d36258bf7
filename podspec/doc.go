// Package podspec builds the pod of every Job of Plumbline: its security settings, volumes, environment, labels, and
// the paths in it that are reserved. operator/plan builds the Jobs of trials with it, operator/publishing builds
// publishing Jobs, and `plumb prune` builds its own Job. It is pure: the template of a run or model goes in, Kubernetes
// objects come out.
package podspec
