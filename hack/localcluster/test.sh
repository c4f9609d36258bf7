#!/usr/bin/env bash
# Tests this module, whole clusters included, with the program that build.sh built.
# Usage: test.sh PROGRAM [GO TEST FLAGS]
set -euo pipefail
program=$(realpath "${1:?usage: test.sh PROGRAM [GO TEST FLAGS]}")
shift
cd "$(dirname "$0")"
# As in build.sh, so that its compiled packages serve. Vet would load all of Kubernetes: make verify does that.
CGO_ENABLED=0 GOFLAGS=-trimpath PLUMBLINE_LOCALCLUSTER=$program go test -vet=off "$@" ./...
