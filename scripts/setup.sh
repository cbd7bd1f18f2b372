#!/usr/bin/env bash
# Installs what building and running bcc needs, and only what is missing:
#   Debian's libjpeg-turbo and OpenJPEG headers (cgo), and
#   the ONNX Runtime library, out of npm's onnxruntime-node, into .deps/, and
#   what the web page shows slides and charts with, into the folder that is embedded.
# A second run finds everything there and touches no network.
set -euo pipefail
cd "$(dirname "$0")/.."

ORT_VERSION=1.30.0
declare -A ORT_SHA256=(
  [x64]=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
  [arm64]=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76
)

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: error: %s\n' "$1" >&2; printf 'setup: hint: %s\n' "$2" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is not installed" "$2"; }

# What is fetched and logged lies in tmp and goes away at the end. part is a file on
# its way to its place.
tmp=$(mktemp -d)
part=$tmp/none
trap 'rm -rf "$part" "$tmp"' EXIT

need go "install Go 1.26 or newer from https://go.dev/dl"

# --- C compiler and headers -------------------------------------------------
headers_present() {
  command -v cc >/dev/null &&
    printf '#include <stdio.h>\n#include <jpeglib.h>\n' | cc -E - >/dev/null 2>&1 &&
    command -v pkg-config >/dev/null && pkg-config --exists libopenjp2
}
if ! headers_present; then
  bash scripts/apt.sh gcc libc6-dev pkg-config libjpeg62-turbo-dev libopenjp2-7-dev # the compiler and the headers
fi

# --- ONNX Runtime -----------------------------------------------------------
case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) die "no ONNX Runtime library is published for $(uname -m)" "build on x86_64 or aarch64" ;;
esac
dir=.deps/onnxruntime
lib=$dir/libonnxruntime.so.1
good() { [ -f "$1" ] && echo "${ORT_SHA256[$arch]}  $1" | sha256sum --check --status; }
if ! good "$lib"; then
  hint="with a network: npm pack onnxruntime-node@$ORT_VERSION, then copy bin/napi-v6/linux/$arch/libonnxruntime.so.1 out of it to $lib"
  need npm "install Node.js with npm (Debian: apt-get install npm); or $hint"
  say "fetching ONNX Runtime $ORT_VERSION (a 110 MB package, once)"
  (cd "$tmp" && npm pack --silent "onnxruntime-node@$ORT_VERSION" >/dev/null 2>npm.log) ||
    die "npm could not fetch onnxruntime-node@$ORT_VERSION: $(tail -n 1 "$tmp/npm.log" 2>/dev/null)" "$hint"
  tar -xzf "$tmp"/onnxruntime-node-*.tgz -C "$tmp" "package/bin/napi-v6/linux/$arch/libonnxruntime.so.1"
  got=$tmp/package/bin/napi-v6/linux/$arch/libonnxruntime.so.1
  good "$got" || die "the ONNX Runtime library has a wrong SHA-256: $(sha256sum <"$got" | cut -d' ' -f1)" "expected ${ORT_SHA256[$arch]}; do not use it, fetch it again"
  mkdir -p "$dir"
  part=$(mktemp "$dir/.part.XXXXXX") # two runs at once must not share one
  cp "$got" "$part" && chmod 644 "$part" && mv "$part" "$lib"
fi

# --- The web page's libraries ------------------------------------------------
# one PACKAGE VERSION SHA256 PATH TARGET: a file out of an npm package, its digest checked.
packed() { [ -f "$2" ] && echo "$1  $2" | sha256sum --check --status; }
one() {
  local package=$1 version=$2 sha=$3 path=$4 target=$5
  packed "$sha" "$target" && return
  local hint="with a network: npm pack $package@$version, then copy $path out of it to $target"
  need npm "install Node.js with npm (Debian: apt-get install npm); or $hint"
  if [ ! -d "$tmp/$package" ]; then
    say "fetching $package $version (once)"
    mkdir -p "$tmp/$package"
    (cd "$tmp/$package" && npm pack --silent "$package@$version" >/dev/null 2>npm.log) ||
      die "npm could not fetch $package@$version: $(tail -n 1 "$tmp/$package/npm.log" 2>/dev/null)" "$hint"
    tar -xzf "$tmp/$package"/*.tgz -C "$tmp/$package"
  fi
  local got=$tmp/$package/package/$path
  packed "$sha" "$got" || die "$path of $package@$version has a wrong SHA-256: $(sha256sum <"$got" | cut -d' ' -f1)" "expected $sha; do not use it, fetch it again"
  mkdir -p "$(dirname "$target")"
  part=$(mktemp "$(dirname "$target")/.part.XXXXXX")
  cp "$got" "$part" && chmod 644 "$part" && mv "$part" "$target"
}
page=server/page/assets/thirdparty
one openseadragon 6.1.0 c763b3e59c50d6bfe8e5db6f23e4a529602e6dc37a3425c30c853b2637324572 build/openseadragon/openseadragon.min.js $page/openseadragon.min.js
one openseadragon 6.1.0 17da96b26ac706d2cbd06d4555dedb43026782f4943faf0156fe7acf89454228 LICENSE.txt $page/openseadragon.LICENSE.txt
one uplot 1.6.32 19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f dist/uPlot.iife.min.js $page/uPlot.iife.min.js
one uplot 1.6.32 df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04 dist/uPlot.min.css $page/uPlot.min.css
one uplot 1.6.32 8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd LICENSE $page/uPlot.LICENSE.txt
# The tests of the page look for barriers with it; it is not embedded.
one axe-core 4.14.1 29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c axe.min.js .deps/axe/axe.min.js

# --- Go modules -------------------------------------------------------------
go mod download 2>"$tmp/mod.log" || die "Go modules could not be fetched: $(tail -n 1 "$tmp/mod.log")" "with a network: go mod download"
