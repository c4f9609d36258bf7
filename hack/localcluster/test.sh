#!/usr/bin/env bash
# Runs all tests of this module, including those that start whole clusters.
#
#   hack/localcluster/test.sh PROGRAM [GO-TEST-FLAG...]     PROGRAM is what build.sh built
set -euo pipefail
program=$(realpath "${1:?usage: test.sh PROGRAM [GO-TEST-FLAG...]}")
shift
cd "$(dirname "$0")"
# The same settings as in build.sh, so that the packages that it compiled are reused. No vet here, because it would read
# all of Kubernetes; make verify runs it.
CGO_ENABLED=0 GOFLAGS=-trimpath PLUMBLINE_LOCALCLUSTER=$program go test -vet=off "$@" ./...
