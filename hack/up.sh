#!/usr/bin/env bash
# A local cluster with Plumbline installed in it the way a real one gets it: the operator as a pod under its own service
# account. Called by `make up`, the demo and the tests. Programs come from BIN, all state goes to STATE.
#
#   hack/up.sh BIN STATE
#
# OWNER_PID ends the cluster with that process; GPUS and CPUS are what its node offers.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${1:?usage: hack/up.sh BIN STATE}")
mkdir -p "${2:?usage: hack/up.sh BIN STATE}"
state=$(realpath "$2")
cluster() { "$bin/localcluster" --dir "$state" "$@"; }
kubectl() { cluster kubectl "$@"; }

cluster up --gpus "${GPUS:-5}" --cpu "${CPUS:-16}" ${OWNER_PID:+--owner-pid "$OWNER_PID"} \
	--image "plumbline.dev/operator:dev=$bin/plumbline-operator" \
	--image "plumbline.dev/trainer:dev=$bin/plumbline-trainer"

# What the samples in config/samples claim: local directories behind PersistentVolumes, as a cluster's storage would be.
for volume in data checkpoints models; do
	cluster volume "$volume" "$state/volumes/$volume" --claim "inspection/$volume" >/dev/null
done

# The pods of this cluster share the machine's network, so the operator's two ports are chosen here, once, and kept.
install="$state/install"
if [ ! -e "$install/kustomization.yaml" ]; then
	mkdir -p "$install"
	read -r metrics health < <(python3 hack/ports.py)
	cat > "$install/kustomization.yaml" <<-YAML
		apiVersion: kustomize.config.k8s.io/v1beta1
		kind: Kustomization
		resources:
		- $(realpath --relative-to="$install" config/local)
		patches:
		- target: {kind: Deployment, name: plumbline-operator}
		  patch: |
		    - {op: replace, path: /spec/template/spec/containers/0/args/5, value: --metrics-bind-address=127.0.0.1:$metrics}
		    - {op: replace, path: /spec/template/spec/containers/0/args/6, value: --health-probe-bind-address=127.0.0.1:$health}
		    - {op: replace, path: /spec/template/spec/containers/0/ports/0/containerPort, value: $metrics}
		    - {op: replace, path: /spec/template/spec/containers/0/ports/1/containerPort, value: $health}
	YAML
	mv "$install/kustomization.yaml" "$install/.new" && mv "$install/.new" "$install/kustomization.yaml"
fi

kubectl apply --server-side -f config/manager/namespace.yaml >/dev/null
kubectl create configmap plumbline-nats -n plumbline-system --dry-run=client -o yaml \
	--from-literal=url="$(cat "$state/nats/url")" --from-literal=url-for-trials="$(cat "$state/nats/url")" | kubectl apply --server-side -f - >/dev/null
kubectl create secret generic plumbline-nats-account -n plumbline-system --dry-run=client -o yaml \
	--from-file=signing.nk="$state/nats/account.nk" --from-file=account.pub="$state/nats/account.pub" | kubectl apply --server-side -f - >/dev/null
kubectl kustomize --load-restrictor LoadRestrictionsNone "$install" | kubectl apply --server-side --force-conflicts -f - >/dev/null
kubectl wait --for=condition=Established crd --all --timeout=60s >/dev/null
kubectl rollout status deployment/plumbline-operator -n plumbline-system --timeout=120s
