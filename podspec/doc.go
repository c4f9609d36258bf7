// Package podspec builds the pod that every Job of Plumbline is made of: its security settings, its volumes, its
// environment, its labels, and the paths in it that are reserved. operator/plan builds trials with it,
// operator/promotion builds publishing Jobs, and `plumb prune` builds its own Job. Pure: a run's or a model's template
// in, Kubernetes objects out.
package podspec
