#!/usr/bin/env bash
# Starts a local cluster and installs Plumbline in it as in a real cluster: the operator runs as a pod under its own
# service account. Called by `make up`, the demo and the tests.
#
#   hack/up.sh BIN STATE     BIN holds the programs; STATE is the directory for all state
#
#   OWNER_PID    end the cluster when this process ends; default: none
#   GPUS, CPUS   what the cluster's node offers; default 5 and 16
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

# The PersistentVolumes that the samples in config/samples claim. They are local directories instead of real
# storage.
for volume in data checkpoints models; do
	cluster volume "$volume" "$state/volumes/$volume" --claim "inspection/$volume" >/dev/null
done

# The pods of this cluster share the machine's network. So this script chooses two free ports for the operator, the
# first time it runs, and keeps them.
install="$state/install"
if [ ! -e "$install/kustomization.yaml" ]; then
	mkdir -p "$install"
	read -r metrics health < <(python3 hack/ports.py)
	container=/spec/template/spec/containers/0
	cat > "$install/kustomization.yaml" <<-YAML
		apiVersion: kustomize.config.k8s.io/v1beta1
		kind: Kustomization
		resources:
		- $(realpath --relative-to="$install" config/local)
		patches:
		- target: {kind: Deployment, name: plumbline-operator}
		  patch: |
		    - {op: replace, path: $container/args/5, value: --metrics-bind-address=127.0.0.1:$metrics}
		    - {op: replace, path: $container/args/6, value: --health-probe-bind-address=127.0.0.1:$health}
		    - {op: replace, path: $container/ports/0/containerPort, value: $metrics}
		    - {op: replace, path: $container/ports/1/containerPort, value: $health}
	YAML
	mv "$install/kustomization.yaml" "$install/.new" && mv "$install/.new" "$install/kustomization.yaml"
fi

apply() { kubectl apply --server-side "$@" >/dev/null; }
apply -f config/manager/namespace.yaml
kubectl create configmap plumbline-nats -n plumbline-system --dry-run=client -o yaml \
	--from-literal=url="$(cat "$state/nats/url")" \
	--from-literal=url-for-trials="$(cat "$state/nats/url")" | apply -f -
kubectl create secret generic plumbline-nats-account -n plumbline-system --dry-run=client -o yaml \
	--from-file=signing.nk="$state/nats/account.nk" \
	--from-file=account.pub="$state/nats/account.pub" | apply -f -
kubectl kustomize --load-restrictor LoadRestrictionsNone "$install" | apply --force-conflicts -f -
kubectl wait --for=condition=Established crd --all --timeout=60s >/dev/null
kubectl rollout status deployment/plumbline-operator -n plumbline-system --timeout=120s
