#!/usr/bin/env bash
# Pulls plugs on a whole fleet on this machine and looks whether it lost anything
# (e2e/chaos). Builds what it needs; what cannot be built is a failure.
#   scripts/chaos.sh TestChaosShort|TestChaos
set -euo pipefail
cd "$(dirname "$0")/.."

NATS=github.com/nats-io/nats-server/v2@v2.15.2
VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
tools=$PWD/.deps/bin
[ -x "$tools/nats-server" ] || GOBIN=$tools go install "$NATS"
[ -x "$tools/versitygw" ] || GOBIN=$tools go install "$VERSITYGW"

# With the tag poison, marked slides kill the process that decodes them.
go build -trimpath -ldflags "-s -w" -tags poison -o bin/bcc-chaos .
go test -tags e2e -count=1 -v -timeout 60m -run "^(TestPlans.*|${1:-TestChaosShort})\$" ./e2e/chaos
