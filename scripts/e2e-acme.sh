#!/usr/bin/env bash
# Runs the tests of bcc serve's certificates against a real ACME issuer on this machine:
# Pebble, with a DNS that leads every name to 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."

PEBBLE=github.com/letsencrypt/pebble/v2/cmd
VERSION=v2.10.1
for tool in pebble pebble-challtestsrv; do
  [ -x ".deps/bin/$tool" ] || GOBIN=$PWD/.deps/bin go install "$PEBBLE/$tool@$VERSION"
done
go test -tags e2e -count=1 -timeout 5m -run '^TestACME' "${@:--v}" ./e2e
