#!/usr/bin/env bash
# Runs a Python program of this directory with PyTorch, torchvision, timm and scikit-learn.
#
#   hack/reference/torch.sh PROGRAM [ARGUMENT...]
#
# The first call installs the packages into the cache. They are 3.5 GB to fetch and 7 GB on disk, because the package
# index has PyTorch for Linux on amd64 only with CUDA.
#
#   PLUMBLINE_TORCH_PYTHON   a Python that has the packages already, such as one with a CPU build of PyTorch
#
# Exit code 3: this machine's Python cannot run the pinned packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$here/${1:?usage: torch.sh PROGRAM [ARGUMENT...]}
shift

python=${PLUMBLINE_TORCH_PYTHON:-$("$here/python.sh" torch "PyTorch 2.9 (3.5 GB to fetch)")}
export PYTHONDONTWRITEBYTECODE=1 # the programs import each other; without this, Python would write files into the tree
exec "$python" "$program" "$@"
