#!/usr/bin/env bash
# Runs a Python program of this directory with PyTorch, torchvision, timm and scikit-learn.
#
#   hack/reference/torch.sh PROGRAM [ARGUMENT...]
#
# The packages are installed once, into the cache: 3.5 GB to fetch and 7 GB on disk, because the package index has PyTorch for Linux on
# amd64 with CUDA only. PLUMBLINE_TORCH_PYTHON names a Python that has the packages already, such as one with a CPU build.
# Exit code 3: this machine's Python cannot run the pinned packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$here/${1:?usage: torch.sh PROGRAM [ARGUMENT...]}
shift

python=${PLUMBLINE_TORCH_PYTHON:-}
if [ -z "$python" ]; then
	python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || {
		echo "torch: $(python3 --version) cannot run PyTorch 2.9 as it is pinned here, for Python 3.11 and 3.12; PLUMBLINE_TORCH_PYTHON can name one that can" >&2
		exit 3
	}
	cache=${PLUMBLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/plumbline}
	venv=$cache/python/torch-$(sha256sum "$here/requirements-torch.txt" | cut -c1-12)-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	mkdir -p "$cache/python"
	(
		flock 9 # two at once make one
		[ -e "$venv/complete" ] && exit 0
		echo "torch: installing PyTorch into $venv (once, 3.5 GB to fetch)" >&2
		rm -rf "$venv"
		python3 -m venv "$venv"
		"$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: -r "$here/requirements-torch.txt"
		touch "$venv/complete"
	) 9>"$cache/python/torch.lock"
	python=$venv/bin/python
fi
export PYTHONDONTWRITEBYTECODE=1 # the programs import each other; the tree stays clean
exec "$python" "$program" "$@"
