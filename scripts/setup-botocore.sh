#!/usr/bin/env bash
# Installs Debian's python3-botocore (about 90 MB), which brings Amazon's published
# description of its APIs: tests that check our requests against it are skipped without.
# bcc itself does not need it.
set -euo pipefail

python3 -c 'import botocore' 2>/dev/null || exec bash "$(dirname "$0")/apt.sh" python3-botocore
