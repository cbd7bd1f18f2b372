#!/usr/bin/env bash
# Installs Debian's Chromium (about 400 MB), in which the tests of the web page run
# instead of being skipped. bcc itself does not need it.
set -euo pipefail

command -v chromium >/dev/null || exec bash "$(dirname "$0")/apt.sh" chromium fonts-dejavu-core
