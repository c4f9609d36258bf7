#!/usr/bin/env bash
# Prints the directory below which everything is kept that is slow to build or to fetch.
set -euo pipefail
: "${PLUMBLINE_CACHE:=${XDG_CACHE_HOME:-${HOME:?is not set, and says where the cache is: set it, or PLUMBLINE_CACHE}/.cache}/plumbline}"
realpath -m -- "$PLUMBLINE_CACHE"
