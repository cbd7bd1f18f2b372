#!/usr/bin/env bash
# Side by side with what others would use in bcc's place, one part after the other, each
# a JSON object a line: bench-peers.sh [PART…]. A part says what it does without where a
# program of others is missing; ratios are of one run, both sides in turn.
set -euo pipefail
cd "$(dirname "$0")/.."

PARTS=(balance)

# Balancing: nginx and HAProxy in front of the same servers (make setup-proxies).
balance() { bin/bcc bench balance --json; }

[ -x bin/bcc ] || { printf 'bench-peers: error: there is no bin/bcc\nbench-peers: hint: make build\n' >&2; exit 1; }
[ $# -gt 0 ] || set -- "${PARTS[@]}"
for part in "$@"; do
  case " ${PARTS[*]} " in
  *" $part "*) printf 'bench-peers: %s\n' "$part" >&2; "$part" ;;
  *) printf 'bench-peers: error: no part %s\nbench-peers: hint: %s\n' "$part" "${PARTS[*]}" >&2; exit 2 ;;
  esac
done
