#!/usr/bin/env bash
# Asks Python TensorFlow whether a published model gives the predictions that its checkpoint recorded.
#
#   hack/reference/check.sh PUBLISHED_VERSION CHECKPOINT
#
# The Python packages are installed once, into the cache. Exit code 3: this machine's Python cannot run TensorFlow 2.18.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
published=${1:?usage: check.sh PUBLISHED_VERSION CHECKPOINT}
checkpoint=${2:?usage: check.sh PUBLISHED_VERSION CHECKPOINT}

python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || {
	echo "check: $(python3 --version) cannot run TensorFlow 2.18, which is pinned here for Python 3.11 and 3.12" >&2
	exit 3
}
cache=${PLUMBLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/plumbline}
venv=$cache/python/tensorflow-$(sha256sum "$here/requirements-tf.txt" | cut -c1-12)-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mkdir -p "$cache/python"
(
	flock 9 # two at once make one
	[ -e "$venv/complete" ] && exit 0
	echo "check: installing Python TensorFlow into $venv (once, about 250 MB)" >&2
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: -r "$here/requirements-tf.txt"
	touch "$venv/complete"
) 9>"$cache/python/lock"
exec "$venv/bin/python" "$here/check_saved_model.py" "$published" "$checkpoint/manifest.json"
