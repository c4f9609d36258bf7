#!/usr/bin/env bash
# Runs all tests but the whole walk. Called by `make test-unit`, after a build.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

# Without cgo, as in build.sh, so that the packages that it compiled are reused. Only the trainer needs cgo.
say "pure Go, in-process NATS"
CGO_ENABLED=0 go test $(go list ./... | grep -v -e /trainer -e /test/e2e)
CGO_ENABLED=0 go test -tags drill ./failpoint
CGO_ENABLED=0 go test -tags drill -run 'Killed|OneLife' ./trainer/loop

say "tiny trials on TensorFlow"
tf=$(hack/libtensorflow/fetch.sh)
(. "$tf/env.sh" && go test ./trainer/...)
(. "$tf/env.sh" && go test -tags drill -run PublicationKilled ./trainer)

say "fetch.py, which fetches TensorFlow's library"
python3 hack/libtensorflow/test_fetch.py

say "the local cluster"
hack/localcluster/test.sh "$PWD/bin/localcluster"
