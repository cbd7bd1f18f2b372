#!/usr/bin/env bash
# The API with nothing but curl: each example is one that docs may show, and each is
# checked. curl.sh http://127.0.0.1:8000 patch.png slide.tif
set -euo pipefail
at=$1 patch=$2 slide=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# want STATUS WORDS ARGUMENTS...: curl answers with the status, and says the words.
want() {
  local status=$1 words=$2 got
  shift 2
  got=$(curl --silent --show-error --max-time 120 --dump-header "$tmp/head" --output "$tmp/body" --write-out '%{http_code}' "$@")
  if [ "$got" != "$status" ] || ! grep -q -- "$words" "$tmp/body"; then
    printf 'curl: %s\n  answers %s: %.500s\n  want %s and %s\n' "$*" "$got" "$(tr -d '\0' <"$tmp/body")" "$status" "$words" >&2
    exit 1
  fi
}
field() { grep -o "\"$1\": *\"[^\"]*\"" "$tmp/body" | head -n 1 | sed 's/.*: *"//; s/"$//'; }
header() { tr -d '\r' <"$tmp/head" | grep -i "^$1: " | head -n 1 | cut -d' ' -f2-; }

want 200 '"status": *"healthy"' "$at/health"
want 200 '"openapi"' "$at/openapi.json"
want 200 'bcc_' "$at/metrics"

# A patch, answered at once.
want 200 '"prediction"' -F "file=@$patch" "$at/predict"
want 200 '"coordinates"' -F "file=@$patch" -F return_patches=true -F confidence_threshold=0.6 "$at/predict"

# A slide, answered when it is done; or at once, to be followed.
want 200 '"lesions"' -F "file=@$slide" "$at/predict"
want 202 '"counts"' -F "file=@$slide" -H 'Prefer: respond-async' "$at/predict"
cohort=$(header location)

# A slide first, the cohort then.
want 201 '"upload"' -F "file=@$slide" "$at/slides"
upload=$(field upload)
want 201 '"upload"' --data-binary "@$slide" -H 'Content-Type: application/octet-stream' "$at/slides?name=slide.tif"
[ "$upload" = "$(field upload)" ] || { echo "curl: the same slide has two names: $upload and $(field upload)" >&2; exit 1; }
want 201 '"pending"' --json "{\"name\": \"by curl\", \"slides\": [{\"upload\": \"$upload\", \"name\": \"slide.tif\"}]}" "$at/cohorts"

# Followed to its end, and its files.
curl --silent --no-buffer --max-time 120 "$at$cohort/events" >"$tmp/events"
grep -q '^event: end' "$tmp/events" || { echo "curl: the events of $cohort do not end: $(cat "$tmp/events")" >&2; exit 1; }
want 200 '"done"' "$at$cohort"
one=${cohort#/cohorts/}-0
want 200 '"state": *"done"' "$at/slides/$one"
want 200 '"format_version"' "$at/slides/$one/result"
want 200 'minx,miny,width,height,prob_bcc' "$at/slides/$one/patches.csv"
want 200 'FeatureCollection' "$at/slides/$one/lesions.geojson"
want 200 '<html' "$at/slides/$one/report.html"
want 200 'PNG' "$at/slides/$one/heatmap.png"
etag=$(header etag)
want 304 '' -H "If-None-Match: $etag" "$at/slides/$one/heatmap.png"
want 206 'PNG' -H 'Range: bytes=0-7' "$at/slides/$one/heatmap.png"
want 200 'TileSize' "$at/slides/$one/slide.dzi"
want 200 '' "$at/slides/$one/slide_files/0/0_0.jpg"
[ "$(header content-type)" = image/jpeg ]
want 200 'PNG' "$at/slides/$one/heatmap_files/0/0_0.png"
want 200 '' -X DELETE "$at$cohort"

# What is wrong is said: a code, a message, what to do.
want 415 '"supported: TIF, PNG, JPG"' -F "file=@$0" "$at/predict"
want 400 '"message"' -F "file=@$patch" -F confidence_threshold=2 "$at/predict"
want 400 '"message"' --json '{"slides": []}' "$at/cohorts"
want 403 '"message"' --json '{"files": [{"url": "https://example.org/slide.tif"}]}' "$at/predict/batch"
want 404 '"request_id"' "$at/cohorts/caaaaaaaaaaaaaaaaaaaaaaaaa"
want 405 '' -X PUT "$at/predict"
echo "curl: every example is answered as it should"
