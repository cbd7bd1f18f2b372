#!/usr/bin/env bash
# Drives bin/bcc serve with clients that nobody here wrote: curl, and from npm two
# readers of its OpenAPI description, a client made from it, and a checker of GeoJSON.
# They are installed into .deps/clients; a second run touches no network.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'clients: %s\n' "$*"; }
die() { printf 'clients: error: %s\n' "$1" >&2; printf 'clients: hint: %s\n' "$2" >&2; exit 1; }
for tool in node npm curl; do
  command -v "$tool" >/dev/null || die "$tool is not installed" "Debian: apt-get install nodejs npm curl"
done
[ -x bin/bcc ] || die "there is no bin/bcc" "make build"

tmp=$(mktemp -d)
server=
end() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
  rm -rf "$tmp"
}
trap end EXIT

dir=.deps/clients
mkdir -p "$dir"
if ! cmp --silent e2e/clients/package-lock.json "$dir/installed.json"; then
  say "installing the clients (250 MB, once)"
  cp e2e/clients/package.json e2e/clients/package-lock.json "$dir"
  (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --silent) || die "npm could not install the clients" "with a network: make e2e-clients"
  cp e2e/clients/package-lock.json "$dir/installed.json"
fi
cp e2e/clients/*.mjs e2e/clients/*.ts e2e/clients/tsconfig.json "$dir"

bin/bcc synth --out "$tmp/set" --count 1 --bcc 1 --seed 41 --size 2048x1536 >/dev/null 2>&1
slide=$tmp/set/synth-00000.tif
node "$dir/patch.mjs" "$tmp/patch.png"

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
at=http://127.0.0.1:$port
bin/bcc serve --addr "127.0.0.1:$port" --data "$tmp/data" >"$tmp/serve.log" 2>&1 &
server=$!
for _ in $(seq 300); do
  curl --silent --fail --max-time 2 --output /dev/null "$at/readyz" && break
  kill -0 "$server" 2>/dev/null || die "bcc serve ended: $(tail -n 3 "$tmp/serve.log")" "bin/bcc serve"
  sleep 0.1
done

curl --silent --show-error --fail "$at/openapi.json" >"$dir/openapi.json"
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
(cd "$dir" && node_modules/.bin/redocly lint --extends=spec --format=summary openapi.json) || {
  (cd "$dir" && node_modules/.bin/redocly lint --extends=spec openapi.json) || true
  die "redocly finds the description wrong" "server/openapi.json"
}
node "$dir/openapi.mjs" "$dir/openapi.json"
(
  cd "$dir"
  node_modules/.bin/openapi-typescript openapi.json --output api.d.ts >/dev/null
  node_modules/.bin/tsc
  node client.js "$at" "$tmp/patch.png" "$slide"
)
bash e2e/clients/curl.sh "$at" "$tmp/patch.png" "$slide"

# QuPath's outlines: of the slide with a carcinoma, over HTTP as from the disk.
id=$(curl --silent "$at/cohorts" | grep -o '"id": *"c[a-z2-7]*"' | head -n 1 | sed 's/.*"c/c/; s/"//')
curl --silent --fail "$at/slides/$id-0/lesions.geojson" >"$tmp/lesions.geojson"
node "$dir/geojson.mjs" "$tmp/lesions.geojson"
say "all of them work"
