#!/usr/bin/env bash
# A first look: make a synthetic slide, detect on it, say where the report lies.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-out/demo}
bin/bcc synth --out "$out/slides" --count 1 --bcc 1 --growth nodular --seed 7 --size 6000x5000
bin/bcc detect --out "$out/results" "$out/slides"
echo
echo "The slide is synthetic and the model has never seen a patient: this shows how it runs, not how well it finds."
echo "Open the report: $PWD/$out/results/synth-00000.tif/report.html"
