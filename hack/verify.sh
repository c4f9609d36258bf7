#!/usr/bin/env bash
# Checks the tree without running its tests. `make verify` runs all checks; `make lint` runs only those that write no
# file.
#
#   hack/verify.sh [lint]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf 'verify: %s\n' "$*" >&2; exit 1; }
# built PROGRAM: prints the path of a pinned tool in Go's cache; the very first call builds the tool
built() { go tool -modfile=hack/tools/go.mod -n "$1"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "${1:-}" != lint ]; then
	say "generated files are up to date"
	state() { git status --porcelain; git diff; }
	state >"$work/before"
	hack/generate.sh
	state >"$work/after"
	diff "$work/before" "$work/after" >&2 || fail "make generate changed the files above: commit what it wrote"
fi

say "shell scripts parse"
git ls-files -z '*.sh' .ci/run | xargs -0 -n1 bash -n

say "gofmt"
unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || fail "gofmt -w these: $unformatted"

say "lines of at most 120 columns in Markdown, shell and Python (golangci-lint checks Go)"
git ls-files -z '*.md' '*.sh' '*.py' .ci/run Makefile | xargs -0 hack/lint/columns.py >&2 ||
	fail "break the lines above"

say "golangci-lint, every module (the first run builds it and reads all dependencies, a few minutes)"
golangci=$(go tool -modfile=hack/lint/go.mod -n golangci-lint)
golangci() { "$golangci" run --allow-parallel-runners --config "$root/.golangci.yml" "$@" >&2; }
# The flags are those of build.sh and test.sh, so that packages are compiled once for all of them.
directories() { go list -f '{{.Dir}}' ./... | grep -v -e "^$root/trainer"; }
CGO_ENABLED=0 golangci $(directories)
CGO_ENABLED=0 golangci --build-tags drill ./failpoint ./trainer/loop
tf=$(hack/libtensorflow/fetch.sh)
(. "$tf/env.sh" && golangci ./trainer/... && golangci --build-tags drill ./trainer)
(cd hack/promcheck && CGO_ENABLED=0 golangci ./...)
(
	cd hack/localcluster
	unset CGO_CFLAGS CGO_LDFLAGS
	export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
	golangci ./...
)

say "manifests: the kustomizations and the samples"
schemas="$work/schemas"
mkdir "$schemas"
kubernetes=$(cd hack/localcluster && go list -m -f '{{.Dir}}' k8s.io/kubernetes)
[ -n "$kubernetes" ] || kubernetes=$(cd hack/localcluster && go mod download -json k8s.io/kubernetes |
	sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
CGO_ENABLED=0 go run ./hack/schemas "$kubernetes/api/openapi-spec/swagger.json" crds "$schemas"
kubeconform=$(built kubeconform)
kustomize=$(built kustomize)
conform() { "$kubeconform" -strict -schema-location "$schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$@"; }
for overlay in config/default config/local; do
	"$kustomize" build "$overlay" | conform || fail "$overlay is not valid"
done
find config/samples -name '*.yaml' ! -name kustomization.yaml -print0 | xargs -0 -n1 sh -c 'cat "$0"; echo ---' |
	conform || fail "config/samples is not valid"

say "the chart"
chart=charts/plumbline
helm=$(built helm)
render() { "$helm" template plumbline "$chart" --namespace plumbline-system --kube-version "$lowest" "$@"; }
image="image.repository=registry.example.com/plumbline-operator" # the one value that has no default
lowest=$(sed -n 's/^kubeVersion: ">=\(.*\)-0"$/\1/p' "$chart/Chart.yaml")
render --set "$image" >"$work/default.yaml"
conform "$work/default.yaml" || fail "the chart's default is not valid"
for values in "$chart"/ci/*.yaml; do
	"$helm" lint --quiet --strict "$chart" --values "$values" || fail "$chart with $values does not lint"
	render --values "$values" | conform || fail "$chart with $values is not valid"
done
refuse() { # the message that is expected, then values
	local message=$1
	shift
	if render "$@" >/dev/null 2>"$work/refused"; then fail "the chart takes $*"; fi
	grep -q -- "$message" "$work/refused" ||
		fail "the chart refuses $* without saying \"$message\": $(cat "$work/refused")"
}
refuse "interval" --set monitoring.podMonitor.interval=often
refuse "replcas" --set replcas=2
refuse "set image.repository to where you pushed"
refuse "set nats.url" --set "$image",nats.enabled=false
refuse "set nats.accountSecret" --set "$image",nats.enabled=false,nats.url=nats://n:4222
refuse "maxFile" --set nats.storage.maxFile=lots

say "the alerts and the dashboard, by Prometheus' libraries (the first run builds them)"
(cd hack/promcheck && CGO_ENABLED=0 go vet ./... && CGO_ENABLED=0 go test ./...)

say "verified"
