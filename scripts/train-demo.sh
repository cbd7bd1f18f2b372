#!/usr/bin/env bash
# Makes the model bcc-demo again: draws its slides, trains, chooses the operating
# point, measures on slides that nothing before has seen, and puts the bundle into
# models/. About half an hour on two cores and 3 GB in WORK (default out/demo-model).
# What is there already is kept: a stopped run goes on.
#
# NEGATIVES names slides without a tumour whose patches are learned as negatives, as
# bcc train --negatives takes them. The shipped model had one section of a slide of
# morphea (see its card).
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WORK:-out/demo-model}
bcc=bin/bcc
model=$work/run/model

draw() { # folder, slides, seed, size
  [ -f "$1/labels.csv" ] || "$bcc" synth --out "$1" --count "$2" --seed "$3" --size "$4"
}
negatives=()
for n in ${NEGATIVES:-}; do negatives+=(--negatives "$n"); done

draw "$work/synth-31001" 600 31001 6000x4500
"$bcc" train --task patch --data "$work/synth-31001" --mpp 0.5 --arch resnet10-slim --epochs 7 --per-slide 60 \
  "${negatives[@]}" --card models/make/bcc-demo.json --out "$work/run" --resume
"$bcc" evaluate --model "$model" --data "$work/synth-31001" --split test --tune-split test --write-card \
  --out "$work/tuning"
draw "$work/synth-470001" 100 470001 8000x6000
"$bcc" evaluate --model "$model" --data "$work/synth-470001" --split all --write-card \
  --out "$work/evaluation"
mkdir -p models/bcc-demo
cp "$model/model.onnx" "$model/card.json" models/bcc-demo/
# What drift is measured against (no result depends on it).
draw "$work/synth-reference" 100 470001 4000x3000
"$bcc" model reference --model models/bcc-demo "$work/synth-reference" \
  --set "100 synthetic slides (bcc synth --count 100 --seed 470001 --size 4000x3000), not patients' tissue"
