#!/usr/bin/env bash
# Builds a Kubernetes control plane from the Go module proxy, for make e2e-kube: etcd,
# kube-apiserver, kube-controller-manager and kubectl. About 20 minutes of a slow core
# and 4 GB of Go's cache, once; what is built is kept beside that cache.
set -euo pipefail

KUBE=v1.37.2 STAGING=v0.37.2 ETCD=v3.7.3
dir=${BCC_KUBE:-$(dirname "$(go env GOCACHE)")/bcc-kube}
bin=$dir/$KUBE-etcd-$ETCD
if [ -x "$bin/etcd" ] && [ -x "$bin/kube-apiserver" ] && [ -x "$bin/kube-controller-manager" ] && [ -x "$bin/kubectl" ]; then
  echo "$bin"
  exit
fi
mkdir -p "$bin"
src=$(mktemp -d)
trap 'rm -rf "$src"' EXIT
export GOFLAGS=-mod=mod GOWORK=off

# The modules of Kubernetes name each other without a version: each is released beside it.
mkdir "$src/kube" && cd "$src/kube"
printf 'module kubebuild\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes %s\n' "$KUBE" >go.mod
staged=$(sed -n 's|^[[:space:]]*\(k8s.io/[a-z-]*\) v0\.0\.0\( .*\)\?$|\1|p' "$(go mod download -json "k8s.io/kubernetes@$KUBE" | sed -n 's|.*"GoMod": "\(.*\)".*|\1|p')")
for m in $staged; do echo "replace $m => $m $STAGING" >>go.mod; done
for command in kube-apiserver kube-controller-manager kubectl; do
  echo "building $command" >&2
  nice -n 10 go build -p 2 -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$KUBE" -o "$bin/$command" "k8s.io/kubernetes/cmd/$command" >&2
done

mkdir "$src/etcd" && cd "$src/etcd"
printf 'module etcdbuild\n\ngo 1.26.0\n\nrequire go.etcd.io/etcd/server/v3 %s\n' "$ETCD" >go.mod
echo "building etcd" >&2
nice -n 10 go build -p 2 -ldflags "-s -w" -o "$bin/etcd" go.etcd.io/etcd/server/v3 >&2
echo "$bin"
