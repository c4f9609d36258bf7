#!/usr/bin/env bash
# Prints the directory of the cache, which keeps everything that is slow to build or to fetch: $PLUMBLINE_CACHE, by
# default plumbline/ in the user's cache directory.
set -euo pipefail
: "${PLUMBLINE_CACHE:=${XDG_CACHE_HOME:-${HOME:?is not set: set HOME, or PLUMBLINE_CACHE}/.cache}/plumbline}"
realpath -m -- "$PLUMBLINE_CACHE"
