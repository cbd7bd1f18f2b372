#!/usr/bin/env bash
# Installs what bench/peers compares bcc with, as Debian has it (about 1 GB, most of it
# PyTorch): PyTorch with OpenBLAS, without which it is several times slower, ONNX, Flask
# and its servers, OpenSlide, libvips, Open MPI, nginx and HAProxy. bcc itself does not
# need them.
set -euo pipefail
cd "$(dirname "$0")"

want=()
for package in \
  python3-torch libopenblas0-pthread python3-numpy python3-scipy python3-pil python3-onnx \
  python3-flask gunicorn python3-gunicorn python3-waitress \
  python3-openslide libopenslide0 libvips42 openmpi-bin; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || want+=("$package")
done
[ ${#want[@]} -eq 0 ] || bash apt.sh "${want[@]}"
bash setup-proxies.sh
