#!/usr/bin/env bash
# Builds Kueue's controller manager from the source of its release, in the version that go.mod pins: DIRECTORY/manager,
# with Kueue's manifests in DIRECTORY/config. Both are kept in a cache outside the tree, under a hash of all that they
# depend on, so that only the first build takes long.
#
#   hack/kueue/build.sh DIRECTORY
set -euo pipefail
out=${1:?usage: build.sh DIRECTORY}
[[ $out == /* ]] || out=$PWD/$out
cd "$(dirname "$0")"
cache=$(../cache.sh)/kueue
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" # as in hack/localcluster/build.sh, so that packages are shared
ld="-s -w"
key=$({ go version; echo "$ld $CGO_ENABLED $GOFLAGS"; cat go.mod go.sum build.sh; } | sha256sum | cut -c1-16)
built=$cache/$key

if [[ ! -d $built ]]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock -n 9 || { echo "kueue: waiting for another build" >&2; flock 9; }
fi
if [[ ! -d $built ]]; then
  version=$(sed -n 's|^.*sigs.k8s.io/kueue \(v[^ ]*\).*|\1|p' go.mod)
  echo "kueue: building Kueue $version, once (five to six minutes on 2 cores)" >&2
  start=$SECONDS
  rm -rf "$built.new"
  mkdir -p "$built.new"
  ld+=" -X sigs.k8s.io/kueue/pkg/version.GitVersion=$version"
  go build -ldflags "$ld" -o "$built.new/manager" sigs.k8s.io/kueue/cmd/kueue
  cp -r --no-preserve=mode "$(go list -m -f '{{.Dir}}' sigs.k8s.io/kueue)/config" "$built.new/config"
  mv "$built.new" "$built"
  echo "kueue: built in $((SECONDS - start)) s; kept in the cache as $built" >&2
  # Only a checkout of another commit can use an older build, so keep no more than the newest three.
  ls -1dt "$cache"/*/ | tail -n +4 | xargs -r -d '\n' rm -rf --
fi
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -r "$built" "$out"
