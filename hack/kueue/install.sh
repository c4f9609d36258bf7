#!/usr/bin/env bash
# Installs Kueue in a running local cluster as in a real one: from Kueue's own manifests, with its manager as a pod
# under its own service account, with its webhooks and the certificates that it makes for them. Kueue ends with the
# cluster.
#
#   hack/kueue/install.sh BIN STATE     BIN holds localcluster and, in kueue/, the output of build.sh
set -euo pipefail
bin=$(realpath "${1:?usage: hack/kueue/install.sh BIN STATE}")
state=$(realpath "${2:?usage: hack/kueue/install.sh BIN STATE}")
cluster() { "$bin/localcluster" --dir "$state" "$@"; }

# These patches change Kueue's manifests, because a local cluster is different:
#  - The pods of this cluster share the machine's network. So this script chooses two free ports for the manager.
#  - Services lead nowhere in this cluster. The webhook's Service becomes an ExternalName, which leads the API server to
#    127.0.0.1. The API server still expects a certificate with the Service's name.
#  - There is no mount namespace, and the node cannot replace a path in a mounted file. So the configuration names "."
#    as the directory of the certificates, and the manager's working directory is that directory.
#  - The manager manages only Jobs, runs without leader election and does not serve Kueue's visibility API.
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
# The API server calls an ExternalName at the port in the webhook's configuration. sed adds the port to every webhook
# and to the conversions.
cluster kubectl kustomize --load-restrictor LoadRestrictionsNone "$install" |
	sed "s#^\( *\)path: /\(convert\$\|mutate-\|validate-\).*#&\n\1port: $webhook#" > "$install/manifests.yaml"
cluster kubectl apply --server-side --force-conflicts -f "$install/manifests.yaml" >/dev/null
cluster kubectl rollout status deployment/kueue-controller-manager -n kueue-system --timeout=120s
