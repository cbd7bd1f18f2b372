#!/usr/bin/env bash
# Installs Debian's nginx and HAProxy (about 10 MB), which the examples of deploy/ are
# tested with and bcc bench balance compares with. bcc itself does not need them. As
# Debian has it, both come as services: here none is started.
set -euo pipefail

want=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || want+=(nginx-light)
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || want+=(haproxy)
[ ${#want[@]} -gt 0 ] || exit 0

# invoke-rc.d asks this file; one that is there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [ "$(id -u)" = 0 ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
bash "$(dirname "$0")/apt.sh" "${want[@]}"
