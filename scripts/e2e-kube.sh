#!/usr/bin/env bash
# Runs the kube target against a real API server and its controllers on this machine,
# and the manifests through them.
set -euo pipefail
cd "$(dirname "$0")/.."

BCC_KUBE_BIN=$(bash scripts/kube-build.sh)
export BCC_KUBE_BIN
go test -tags e2e -count=1 -timeout 10m "${@:--v}" ./e2e/kube
