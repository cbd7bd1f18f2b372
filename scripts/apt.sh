#!/usr/bin/env bash
# Installs Debian packages for the set-up scripts: apt.sh PACKAGE…
set -euo pipefail

hint="as root on Debian 12: apt-get install --no-install-recommends $*"
die() { printf 'setup: error: %s\n' "$1" >&2; printf 'setup: hint: %s\n' "$hint" >&2; exit 1; }
command -v apt-get >/dev/null || die "there is no apt-get to install $* with"
[ "$(id -u)" = 0 ] || die "installing $* wants root"
printf 'setup: installing %s\n' "$*"
log=$(mktemp)
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1 ||
  die "apt-get could not install $* (log: $log)"
rm -f "$log"
