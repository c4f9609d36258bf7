#!/usr/bin/env bash
# Builds the programs with their failpoints and runs a drill. Called by `make drills`.
#
#   hack/drills.sh [FLAG...]      the flags are test/drill's: --help prints them
set -euo pipefail
cd "$(dirname "$0")/.."
GOFLAGS=-tags=drill hack/build.sh "$PWD/bin/drill" >&2
CGO_ENABLED=0 go build -o bin/drill/drill ./test/drill
exec bin/drill/drill "$@"
