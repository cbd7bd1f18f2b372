#!/usr/bin/env bash
# Builds what was built before this (BCC_PREVIOUS, a commit), once as it was and once
# under another version number, and has it and this build read each other's queues and
# stores and work side by side (e2e/upgrade).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'upgrade: %s\n' "$*"; }
die() { printf 'upgrade: error: %s\n' "$1" >&2; printf 'upgrade: hint: %s\n' "$2" >&2; exit 1; }

# The last commit whose queue and store have been in use elsewhere.
commit=$(git rev-parse --verify --quiet "${BCC_PREVIOUS:-522e49b}^{commit}") ||
  die "this clone has no commit ${BCC_PREVIOUS:-522e49b}" "git fetch --unshallow, or set BCC_PREVIOUS"
built=$PWD/.deps/previous/$commit
if [ ! -x "$built/bcc-renumbered" ]; then
  say "building $(git log -1 --format='%h of %cs' "$commit")"
  source=$(mktemp -d)
  trap 'rm -rf "$source"' EXIT
  git archive "$commit" | tar -x -C "$source"
  # What its own make setup would fetch; what differs is fetched.
  mkdir -p "$source/.deps" "$built"
  cp -r .deps/onnxruntime .deps/axe "$source/.deps/"
  cp -r server/page/assets/thirdparty "$source/server/page/assets/"
  bash "$source/scripts/setup.sh"
  cp "$source/.deps/onnxruntime/libonnxruntime.so.1" "$built/"
  (cd "$source" && go build -trimpath -ldflags "-s -w" -o "$built/bcc" .)
  sed -i 's/^const Version = ".*"$/const Version = "0.0.9"/' "$source/telemetry/version.go"
  (cd "$source" && go build -trimpath -ldflags "-s -w" -o "$built/bcc-renumbered" .)
fi
BCC_PREVIOUS_BUILD=$built go test -tags e2e -count=1 -timeout 15m "${@:--v}" ./e2e/upgrade
