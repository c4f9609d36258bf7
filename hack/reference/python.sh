#!/usr/bin/env bash
# Prints the path of a Python that has the packages of requirements-NAME.txt. The first call installs them into the
# cache.
#
#   hack/reference/python.sh NAME WHAT      WHAT describes the packages in messages: "PyTorch (3.5 GB to fetch)"
#
# Exit code 3: this machine's Python cannot run the pinned packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=${1:?usage: python.sh NAME WHAT}
what=${2:?usage: python.sh NAME WHAT}
requirements=$here/requirements-$name.txt

python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || {
	echo "python: $(python3 --version) cannot run $what, which is pinned here for Python 3.11 and 3.12" >&2
	exit 3
}
cache=$("$here/../cache.sh")/python
pins=$(sha256sum "$requirements" | cut -c1-12)
venv=$cache/$name-$pins-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mkdir -p "$cache"
(
	flock 9 # of two calls at the same time, the second waits and finds the packages installed
	[ -e "$venv/complete" ] && exit 0
	echo "python: installing $what into $venv (once)" >&2
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check \
		--require-hashes --only-binary=:all: -r "$requirements"
	touch "$venv/complete"
) 9>"$cache/$name.lock"
echo "$venv/bin/python"
