#!/usr/bin/env bash
# Installs Kueue in a local cluster that runs, the way a real cluster gets it: Kueue's own manifests, its manager a pod under its own
# service account, with its own webhooks and the certificates that it makes for them itself. It ends with the cluster.
#
#   hack/kueue/install.sh BIN STATE     BIN holds localcluster and, in kueue/, what build.sh made
set -euo pipefail
bin=$(realpath "${1:?usage: hack/kueue/install.sh BIN STATE}")
state=$(realpath "${2:?usage: hack/kueue/install.sh BIN STATE}")
cluster() { "$bin/localcluster" --dir "$state" "$@"; }

# What differs from Kueue's manifests, and why:
#  - The pods of this cluster share the machine's network, so the manager's two ports are chosen here.
#  - Services lead nowhere here. As an ExternalName the webhook's Service leads the API server to 127.0.0.1, which still expects the
#    certificate of the Service's own name.
#  - There is no mount namespace, and the node cannot replace a location in a mounted file: the manager finds its certificates in the
#    directory that it is started in.
#  - It looks after Jobs alone, is the only one, and offers no view of the queue as an API of its own.
install="$state/kueue"
mkdir -p "$install"
read -r webhook health < <(python3 "$(dirname "$0")/../ports.py")
cat > "$install/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- $(realpath --relative-to="$install" "$bin/kueue/config/default")
images:
- {name: us-central1-docker.pkg.dev/k8s-staging-images/kueue/kueue, newName: kueue, newTag: local}
patches:
- patch: |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: kueue-manager-config, namespace: kueue-system}
    data:
      controller_manager_config.yaml: |
        apiVersion: config.kueue.x-k8s.io/v1beta2
        kind: Configuration
        namespace: kueue-system
        health: {healthProbeBindAddress: "127.0.0.1:$health"}
        metrics: {bindAddress: "0"}
        webhook: {host: 127.0.0.1, port: $webhook, certDir: .}
        leaderElection: {leaderElect: false}
        integrations: {frameworks: [batch/job]}
        featureGates: {VisibilityOnDemand: false}
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: kueue-controller-manager, namespace: kueue-system}
    spec:
      template:
        spec:
          containers:
          - name: manager
            imagePullPolicy: Never
            workingDir: /tmp/k8s-webhook-server/serving-certs
            livenessProbe: {httpGet: {port: $health}}
            readinessProbe: {initialDelaySeconds: 1, periodSeconds: 1, httpGet: {port: $health}}
- patch: |
    apiVersion: v1
    kind: Service
    metadata: {name: kueue-webhook-service, namespace: kueue-system}
    spec: {type: ExternalName, externalName: 127.0.0.1, selector: null}
- target: {kind: APIService}
  patch: |
    \$patch: delete
    apiVersion: apiregistration.k8s.io/v1
    kind: APIService
    metadata: {name: all}
YAML

cluster image kueue:local "$bin/kueue/manager" >/dev/null
# The API server asks an ExternalName at the port that the caller names: every webhook's, and that of the conversions.
cluster kubectl kustomize --load-restrictor LoadRestrictionsNone "$install" |
	sed "s#^\( *\)path: /\(convert\$\|mutate-\|validate-\).*#&\n\1port: $webhook#" > "$install/manifests.yaml"
cluster kubectl apply --server-side --force-conflicts -f "$install/manifests.yaml" >/dev/null
cluster kubectl rollout status deployment/kueue-controller-manager -n kueue-system --timeout=120s
