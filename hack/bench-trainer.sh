#!/usr/bin/env bash
# Times Plumbline's trainer against PyTorch: the training step and the whole epoch. Run it on an idle machine; it takes
# about an hour on two cores.
#
#   hack/bench-trainer.sh [FLAG...]      --help prints the flags, which are those of hack/reference/torch_bench.py
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

. "$(hack/libtensorflow/fetch.sh)/env.sh"
go test -c -o "$scratch/session.test" ./trainer/session
go build -o "$scratch/plumbline-trainer" ./trainer
CGO_ENABLED=0 go build -o "$scratch/plumb" ./cli
python3 hack/reference/torch_bench.py \
	--bench "$scratch/session.test" --trainer "$scratch/plumbline-trainer" --plumb "$scratch/plumb" "$@"
