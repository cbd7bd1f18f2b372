#!/usr/bin/env bash
# Installs Debian's Chromium (about 400 MB), in which the tests of the web page run
# instead of being skipped. bcc itself does not need it.
set -euo pipefail

! command -v chromium >/dev/null || exit 0

packages="chromium fonts-dejavu-core"
hint="as root on Debian 12: apt-get install --no-install-recommends $packages"
die() { printf 'setup: error: %s\n' "$1" >&2; printf 'setup: hint: %s\n' "$hint" >&2; exit 1; }
command -v apt-get >/dev/null || die "there is no apt-get to install Chromium with"
[ "$(id -u)" = 0 ] || die "installing Chromium wants root"
printf 'setup: installing %s\n' "$packages"
log=$(mktemp)
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >"$log" 2>&1 ||
  die "apt-get could not install Chromium (log: $log)"
rm -f "$log"
