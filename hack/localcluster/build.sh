#!/usr/bin/env bash
# Builds localcluster and copies it to OUT. The program is kept in a cache outside the tree,
# under a hash of everything that it is built from, so that only the first build takes long.
#
#   hack/localcluster/build.sh OUT
set -euo pipefail
out=${1:?usage: build.sh OUT}
here=$(cd "$(dirname "$0")" && pwd)
[[ $out == /* ]] || out=$PWD/$out
cache=$("$here/../cache.sh")/localcluster
cd "$here"
# With cgo, another compiler flag in the caller's environment (TensorFlow's) would make Go
# compile all of Kubernetes again. test.sh is without cgo for the same reason.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"

# The version that kubectl, the API server and the node report: that of k8s.io/kubernetes in go.mod.
version=$(sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\).*|\1|p' go.mod)
IFS=. read -r major minor _ <<<"${version#v}"
ld="-s -w"
for pkg in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ld+=" -X $pkg.gitVersion=$version -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean"
done

sources() { find . -type f \( -name '*.go' ! -name '*_test.go' -o -name 'go.mod' -o -name 'go.sum' \) -print0; }
key=$({
  go version
  echo "$ld $CGO_ENABLED $GOFLAGS"
  sources | LC_ALL=C sort -z | xargs -0 sha256sum
} | sha256sum | cut -c1-16)
built=$cache/$key/localcluster

if [[ ! -x $built ]]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock -n 9 || { echo "localcluster: waiting for another build" >&2; flock 9; }
fi
if [[ ! -x $built ]]; then
  echo "localcluster: building Kubernetes $version, etcd, NATS and the node into one program" >&2
  echo "localcluster: the first build takes 4 to 6 minutes on 2 cores and 1 GB for downloads and build cache;" \
    "later builds reuse them" >&2
  start=$SECONDS
  mkdir -p "$cache/$key"
  # -v prints the name of each package that is compiled. The loop counts them, to show progress.
  go build -v -ldflags "$ld" -o "$built.tmp" . 2>&1 | {
    n=0
    while IFS= read -r line; do
      case $line in
        *' '*) echo "$line" >&2 ;; # a message: the name of a package holds no blank
        *)
          n=$((n + 1))
          if ((n % 200 == 0)); then echo "localcluster: $n packages compiled, $((SECONDS - start)) s" >&2; fi
          ;;
      esac
    done
  }
  mv "$built.tmp" "$built"
  echo "localcluster: built in $((SECONDS - start)) s; kept in the cache as $built" >&2
  # Only a checkout of another commit can use an older build, so keep no more than the newest three.
  ls -1dt "$cache"/*/ | tail -n +4 | xargs -r -d '\n' rm -rf --
fi
mkdir -p "$(dirname "$out")"
cp -f "$built" "$out.tmp" && mv -f "$out.tmp" "$out"
