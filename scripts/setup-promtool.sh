#!/usr/bin/env bash
# Installs Debian's Prometheus (about 100 MB), whose promtool checks the alerts and
# dashboards of deploy/ in tests that are skipped without it. bcc itself does not need it.
set -euo pipefail

command -v promtool >/dev/null || exec bash "$(dirname "$0")/apt.sh" prometheus
