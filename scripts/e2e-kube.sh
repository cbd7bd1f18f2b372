#!/usr/bin/env bash
# Runs the kube target against a real API server and its controllers on this machine,
# and the manifests through them.
set -euo pipefail
cd "$(dirname "$0")/.."

BCC_KUBE_BIN=$(bash scripts/kube-build.sh)
# KEDA's description of its ScaledObject, out of its module.
keda=$(cd / && go mod download -json github.com/kedacore/keda/v2@v2.21.0 | sed -n 's|.*"Dir": "\(.*\)".*|\1|p')
BCC_KEDA_CRD=$keda/config/crd/bases/keda.sh_scaledobjects.yaml
export BCC_KUBE_BIN BCC_KEDA_CRD
go test -tags e2e -count=1 -timeout 20m "${@:--v}" ./e2e/kube
