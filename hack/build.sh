#!/usr/bin/env bash
# Builds plumb, the operator, the trainer and localcluster into a directory. It says which steps take long, and why.
# Called by `make build`.
#
#   hack/build.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:?usage: hack/build.sh DIRECTORY}
mkdir -p "$bin"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf 'build: %s\n' "$*" >&2; exit 1; }

command -v go >/dev/null ||
	fail "Go is not on PATH. Install Go $(sed -n 's/^go //p' go.mod) or newer, then run this again."
command -v cc >/dev/null || command -v gcc >/dev/null ||
	fail "no C compiler is on PATH, and the trainer needs one (Debian: apt install gcc libc6-dev)."
platform=$(go env GOOS)/$(go env GOARCH)
[ "$platform" = linux/amd64 ] ||
	fail "this is $platform; Plumbline is built and tested on linux/amd64 only." \
		"Use a linux/amd64 machine, container or virtual machine."

version=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
# This writes the release into the programs. Go's own way of doing that fails in a checkout that another user owns.
stamp="-s -w -X plumbline.dev/plumbline/wire.Release=$version"

say "plumb and the operator (the first build compiles the Kubernetes client, about two minutes)"
CGO_ENABLED=0 go build -buildvcs=false -ldflags "$stamp" -o "$bin/plumb" ./cli
CGO_ENABLED=0 go build -buildvcs=false -ldflags "$stamp" -o "$bin/plumbline-operator" ./operator

say "TensorFlow's library (fetched once, 230 MB)"
tf=$(hack/libtensorflow/fetch.sh)

say "the trainer"
(. "$tf/env.sh" && go build -buildvcs=false -ldflags "$stamp" -o "$bin/plumbline-trainer" ./trainer)

say "localcluster (the first build compiles Kubernetes itself, about five minutes on two cores; kept in the cache)"
hack/localcluster/build.sh "$bin/localcluster"
