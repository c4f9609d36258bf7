#!/usr/bin/env bash
# Writes all generated files: deep copies and CRDs from api/v1alpha1, the operator's role from the markers in
# operator/controller, the chart's copies of CRDs, role, NATS configuration and monitoring, and the API reference. `make
# verify` runs it and fails if it changes a file. hack/tools/go.mod pins the tools; Go keeps them in its build cache.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
tool() { go tool -modfile=hack/tools/go.mod "$@"; }

say "deep copies, CRDs and the operator's role (the first call builds controller-gen)"
tool controller-gen object paths=./api/v1alpha1
tool controller-gen crd paths=./api/v1alpha1 output:crd:dir=crds
tool controller-gen rbac:roleName=plumbline-operator paths=./operator/... output:rbac:dir=config/rbac

say "the chart's copies"
files=charts/plumbline/files
rm -rf "$files"
mkdir -p "$files/crds"
cp crds/plumbline.dev_*.yaml "$files/crds/"
cp config/nats/nats.conf config/nats/tls.conf "$files/"
cp config/rbac/people.yaml "$files/people.yaml"
cp config/monitoring/alerts.yaml config/monitoring/dashboard.json "$files/"
# rules KIND prints the rules of the role of that kind. The chart needs only the rules: it puts those of the ClusterRole
# into a ClusterRole or into one Role per namespace, and those of the lease into a Role in the release's namespace.
rules() {
	awk -v kind="$1" '
		/^---/ {rules = 0}
		/^kind:/ {wanted = $2 == kind}
		wanted && rules {print}
		/^rules:/ {rules = 1}
	' config/rbac/role.yaml
}
rules ClusterRole >"$files/role-rules.yaml"
rules Role >"$files/lease-rules.yaml"
for file in role-rules.yaml lease-rules.yaml; do
	[ -s "$files/$file" ] && continue
	echo "generate: $file is empty: are the +kubebuilder:rbac markers in operator/controller missing?" >&2
	exit 1
done

say "the API reference"
mkdir -p docs
CGO_ENABLED=0 go run ./hack/apidoc crds api/v1alpha1 >docs/api.md.new
mv docs/api.md.new docs/api.md
