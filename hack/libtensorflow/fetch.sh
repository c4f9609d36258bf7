#!/bin/sh
# Runs fetch.py. Without Python it says how to install Python.
if ! command -v python3 >/dev/null 2>&1; then
	echo "libtensorflow: python3 is not on PATH." \
		"Install Python with pip (Debian: apt install python3 python3-pip), then run this again." >&2
	exit 1
fi
exec python3 "$(dirname "$0")/fetch.py" "$@"
