#!/usr/bin/env bash
# Builds the programs with their failpoints and runs a drill with them. Called by `make drills` and `make test-e2e`.
#
#   hack/drills.sh [FLAG...]      --help prints the flags, which are those of test/drill
set -euo pipefail
cd "$(dirname "$0")/.."
GOFLAGS=-tags=drill hack/build.sh "$PWD/bin/drill" >&2
CGO_ENABLED=0 go build -o bin/drill/drill ./test/drill
exec bin/drill/drill "$@"
