#!/usr/bin/env bash
# Tries the README's two commands as a newcomer would: on a Debian 12 with nothing
# but Go, npm, git, make and root, in a clone of what is committed here, with nothing
# beside it. Then once more on the same machine, its network gone: what was set up
# must be enough. A chroot with processes, mounts and (the second time) a network of
# its own; nothing of it outlives the script. Wants root and debootstrap.
#   scripts/e2e-fresh.sh [run|test|all]   the first command, the second, both (default)
# KEEP=1 leaves the machine where it says, for a look.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
suite=bookworm
packages="git npm make ca-certificates"

say() { printf 'fresh: %s\n' "$*"; }
die() { printf 'fresh: error: %s\n' "$1" >&2; printf 'fresh: hint: %s\n' "$2" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is not installed" "$2"; }

# --- inside the namespaces ----------------------------------------------------
# What stands on the root folder of the machine, in a mount namespace that ends with
# the last process.
mounts() {
  mount --bind "$root" "$root" # a mount, for those who ask what / is
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  mkdir -p "$root/mnt/source"
  mount --bind -o ro "$repo" "$root/mnt/source"
}

if [ "${1:-}" = --inside ]; then # --inside ROOT COMMAND…
  root=$2
  mounts
  if [ -n "${FRESH_OFFLINE:-}" ]; then ip link set lo up; fi
  # Where this machine's package registries and certificates are is told, nothing else.
  told=()
  for name in GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOPRIVATE; do
    told+=("$name=$(go env "$name")")
  done
  told+=("npm_config_registry=$(npm config get registry 2>/dev/null)")
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!name:-}" ] || told+=("$name=${!name}")
  done
  [ ! -f "$root/etc/ssl/certs/of-this-machine.crt" ] ||
    told+=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/of-this-machine.crt)
  exec chroot "$root" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "${told[@]}" ${FRESH_GOFLAGS:+GOFLAGS="$FRESH_GOFLAGS"} bash -euo pipefail -c "$3"
fi

# --- what is asked --------------------------------------------------------------
[ "$(id -u)" = 0 ] || die "a machine in a folder wants root" "run it as root"
need debootstrap "Debian: apt-get install debootstrap"
need go "install Go 1.26 or newer from https://go.dev/dl"
need npm "Debian: apt-get install npm"
need ip "Debian: apt-get install iproute2"

# The README's own words: the first block of commands, without what is said of them.
readme=()
mapfile -t readme < <(awk '/^```sh/ { on = 1; next } /^```/ && on { exit } on' README.md | sed 's/ *#.*//; /^$/d')
[ "${#readme[*]}" = 2 ] || die "the first block of README.md has ${#readme[*]} commands, not two" "mend README.md or $0"
case "${1:-all}" in
  all) ;;
  run) readme=("${readme[0]}") ;;
  test) readme=("${readme[1]}") ;;
  *) die "what is $1?" "run, test or all" ;;
esac
[ -z "$(git status --porcelain --untracked-files=no)" ] || say "what is not committed is not tried"

# --- a bare machine -------------------------------------------------------------
# Made once, out of the mirrors that this machine uses itself; kept as an archive.
sources() { # URI SUITE of Debian's main component
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN) $(COMPONENT)' 'Created-By: Packages' |
    awk '$3 == "Debian" && $4 == "main" { print $1, $2 }' | sort -u
}
cache=$repo/.deps/fresh
bare=$cache/$suite-$(dpkg --print-architecture)-$(printf %s "$suite $packages" | sha256sum | cut -c1-12).tar.gz
base=$(mktemp -d "${TMPDIR:-/tmp}/bcc-fresh.XXXXXX")
root=$base/root
# The namespaces are gone when this runs, and all mounts with them; what is still
# mounted would be this machine's own, and is not entered.
pid=
clean() {
  [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true # and with it all that runs there
  if [ -n "${KEEP:-}" ]; then say "kept: $root"; else rm -rf --one-file-system "$base"; fi
}
trap clean EXIT
trap 'exit 130' INT TERM
mkdir "$root"
if [ ! -f "$bare" ]; then
  mirror=$(sources | awk -v s="$suite" '$2 == s || NR == 1 { m = $1 } $2 == s { exit } END { print m }')
  [ -n "$mirror" ] || die "apt knows no Debian mirror on this machine" "apt-get update"
  say "making a bare Debian ($suite), once"
  debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$base/log" 2>&1 ||
    die "debootstrap: $(tail -n 1 "$base/log")" "is $mirror to be reached?"
  sources | awk -v s="$suite" '$2 ~ "^" s { print "deb", $1, $2, "main" }' >"$root/etc/apt/sources.list"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  # shellcheck disable=SC2086 # a list of names
  { chroot "$root" apt-get update && DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends $packages; } >"$base/log" 2>&1 ||
    die "apt-get: $(tail -n 1 "$base/log")" "is $mirror to be reached?"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  mkdir -p "$cache"
  tar -C "$root" -cz -f "$base/bare.tar.gz" . && mv "$base/bare.tar.gz" "$bare"
else
  tar -C "$root" -xzf "$bare"
fi
cp -a "$(go env GOROOT)" "$root/usr/local/go"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
# Whoever trusts other issuers than Debian's list, as behind a proxy, does so there too.
if [ -n "${SSL_CERT_FILE:-}" ]; then
  cp -L "$SSL_CERT_FILE" "$root/etc/ssl/certs/of-this-machine.crt"
  cp -L "$SSL_CERT_FILE" "$root/etc/ssl/certs/ca-certificates.crt"
fi
say "a machine with $(chroot "$root" git --version), npm $(chroot "$root" npm --version 2>/dev/null), $(chroot "$root" make --version | head -n 1), $(go version | cut -d' ' -f3); a C compiler: $(chroot "$root" sh -c 'command -v cc || echo none')"

# on runs a command on that machine and says how long it took.
on() {
  local began=$SECONDS what=$1
  shift
  say "$what: $*"
  # nice: whoever else works here goes first.
  nice -n 10 unshare --mount --propagation private --pid --fork --kill-child ${FRESH_OFFLINE:+--net} \
    bash "$repo/scripts/e2e-fresh.sh" --inside "$root" "$*" &
  pid=$! # in the background, so that a signal is heard while it runs
  wait "$pid" || die "$what: $* ended with exit code $?" "KEEP=1 leaves the machine for a look"
  pid=
  say "$what: $* took $((SECONDS - began)) s"
}

on "with a network" "git clone --quiet file:///mnt/source /root/bcc"
for command in "${readme[@]}"; do
  on "with a network" "cd /root/bcc && $command"
done
export FRESH_OFFLINE=1
# That there is no network is looked at, not believed. Tests are run again, not remembered.
on "without a network" "! (cd / && GOFLAGS=-mod=mod GOMODCACHE=/tmp/none go mod download golang.org/x/sync@latest) 2>/dev/null"
for command in "${readme[@]}"; do
  FRESH_GOFLAGS=-count=1 on "without a network" "cd /root/bcc && $command"
done
say "the README's commands pass on a machine with nothing but Go, npm, git, make and root, and without a network after that"
