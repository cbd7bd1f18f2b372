#!/usr/bin/env bash
# Installs Debian's Open MPI and MPICH (about 20 MB), with which the tests of training
# on several processes run instead of being skipped. bcc itself needs neither until
# someone types mpirun.
set -euo pipefail

missing=
command -v mpirun.openmpi >/dev/null || missing="openmpi-bin"
command -v mpirun.mpich >/dev/null || missing="$missing mpich"
[ -n "$missing" ] || exit 0

exec bash "$(dirname "$0")/apt.sh" $missing # words: two packages at most
