#!/usr/bin/env bash
# Installs Debian's Python, Node.js and curl, with which the examples of docs/clients.md
# are run in a test that skips those that are missing. bcc itself needs none of them.
set -euo pipefail

missing=()
command -v python3 >/dev/null || missing+=(python3)
command -v node >/dev/null || missing+=(nodejs)
command -v curl >/dev/null || missing+=(curl)
[ ${#missing[@]} = 0 ] || exec bash "$(dirname "$0")/apt.sh" "${missing[@]}"
