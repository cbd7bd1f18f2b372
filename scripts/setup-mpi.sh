#!/usr/bin/env bash
# Installs Debian's Open MPI and MPICH (about 20 MB), with which the tests of training
# on several processes run instead of being skipped. bcc itself needs neither until
# someone types mpirun.
set -euo pipefail

missing=
command -v mpirun.openmpi >/dev/null || missing="openmpi-bin"
command -v mpirun.mpich >/dev/null || missing="$missing mpich"
[ -n "$missing" ] || exit 0

hint="as root on Debian 12: apt-get install --no-install-recommends $missing"
die() { printf 'setup: error: %s\n' "$1" >&2; printf 'setup: hint: %s\n' "$hint" >&2; exit 1; }
command -v apt-get >/dev/null || die "there is no apt-get to install $missing with"
[ "$(id -u)" = 0 ] || die "installing $missing wants root"
printf 'setup: installing %s\n' "$missing"
log=$(mktemp)
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1 ||
  die "apt-get could not install $missing (log: $log)"
rm -f "$log"
