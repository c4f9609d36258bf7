#!/usr/bin/env bash
# Builds localcluster into OUT. The program is kept in a cache outside the tree, under a
# hash of everything it is made from, so that only the first build pays.
set -euo pipefail
out=${1:?usage: build.sh OUT}
here=$(cd "$(dirname "$0")" && pwd)
[[ $out == /* ]] || out=$PWD/$out
cache=$("$here/../cache.sh")/localcluster
cd "$here"
# Without cgo no compiler flag of the caller (TensorFlow's) makes Go compile Kubernetes anew;
# test.sh sets the same, for the same reason.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"

# kubectl, the API server and the node tell this version; it is that of k8s.io/kubernetes in go.mod.
version=$(sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\).*|\1|p' go.mod)
IFS=. read -r major minor _ <<<"${version#v}"
ld="-s -w"
for pkg in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ld+=" -X $pkg.gitVersion=$version -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean"
done

key=$({ go version; echo "$ld $CGO_ENABLED $GOFLAGS"; find . -type f \( -name '*.go' ! -name '*_test.go' -o -name 'go.mod' -o -name 'go.sum' \) -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum | cut -c1-16)
built=$cache/$key/localcluster

if [[ ! -x $built ]]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock -n 9 || { echo "localcluster: waiting for another build" >&2; flock 9; }
fi
if [[ ! -x $built ]]; then
  echo "localcluster: building Kubernetes $version, etcd, NATS and the node into one program" >&2
  echo "localcluster: the first time takes 4 to 6 minutes on 2 cores, and 1 GB of downloads and build cache; later ones reuse it" >&2
  start=$SECONDS
  mkdir -p "$cache/$key"
  # -v names each package as it is compiled: counted, it shows that something goes on.
  go build -v -ldflags "$ld" -o "$built.tmp" . 2>&1 | {
    n=0
    while IFS= read -r line; do
      case $line in
        *' '*) echo "$line" >&2 ;; # a message, not a package
        *) n=$((n + 1)); if ((n % 200 == 0)); then echo "localcluster: $n packages compiled, $((SECONDS - start)) s" >&2; fi ;;
      esac
    done
  }
  mv "$built.tmp" "$built"
  echo "localcluster: built in $((SECONDS - start)) s, kept as $built" >&2
  # Older builds of this tree are of no use to anybody but a checkout of another commit: keep the newest three.
  ls -1dt "$cache"/*/ | tail -n +4 | xargs -r -d '\n' rm -rf --
fi
mkdir -p "$(dirname "$out")"
cp -f "$built" "$out.tmp" && mv -f "$out.tmp" "$out"
