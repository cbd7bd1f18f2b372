#!/usr/bin/env bash
# Runs the tests of package blob against a real S3 server on this machine: versity
# gateway over a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
gateway=$PWD/.deps/bin/versitygw
[ -x "$gateway" ] || GOBIN=${gateway%/*} go install "$VERSITYGW"

tmp=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid"; kill -CONT "$pid"; } 2>/dev/null; rm -rf "$tmp"' EXIT
port=${BCC_S3_PORT:-7070}
export AWS_ACCESS_KEY_ID=bcc AWS_SECRET_ACCESS_KEY=bcc-secret
export BCC_S3_ENDPOINT=http://127.0.0.1:$port BCC_S3_BUCKET=bcc-test

# A folder below the gateway's is a bucket. What it knows of objects beside their
# bytes lies in files: not every file system has extended attributes.
mkdir -p "$tmp/data/$BCC_S3_BUCKET" "$tmp/meta"
ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY \
  "$gateway" --port "127.0.0.1:$port" posix --sidecar "$tmp/meta" "$tmp/data" >"$tmp/log" 2>&1 &
pid=$!
for _ in $(seq 50); do
  curl -s -o /dev/null "$BCC_S3_ENDPOINT" && break
  kill -0 "$pid" 2>/dev/null || { cat "$tmp/log" >&2; exit 1; }
  sleep 0.1
done
BCC_S3_PID=$pid go test -count=1 -timeout 120s -run 'RealServer' "${@:--v}" ./blob
