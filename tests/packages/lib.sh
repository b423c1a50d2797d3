# Sourced by the scripts of this folder: a fresh Debian root, booted, and the packages of target/packages.
#
# Needs root, mmdebstrap (only to make the root) and systemd-nspawn. Environment:
#   CLEARWELL_PACKAGES   the folder of the packages under test; default target/packages, as packaging/build makes it
#   CLEARWELL_ROOT_TAR   the fresh root as a tar; made if it does not exist; default target/debian-root.tar
#   CLEARWELL_NO_SKIPS   1: a test that cannot run here fails, and does not only say so
# Always true: what a script starts ends with it, and $scratch is removed.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
packages=${CLEARWELL_PACKAGES:-$project/target/packages}
root_tar=${CLEARWELL_ROOT_TAR:-$project/target/debian-root.tar}
name=$(basename "$0")
scratch=$(mktemp -d "/var/tmp/clearwell-$name.XXXXXX")
nspawn= # process of the booted root
leader= # process 1 of the booted root
finish() {
    local code=$?
    [ "$code" = 0 ] || [ ! -s "$scratch/console" ] || { echo "== console of the root"; tail -n 30 "$scratch/console"; } >&2
    power_off
    rm -rf "$scratch"
}
trap finish EXIT

say() { printf '%s: %s (%ss)\n' "$name" "$*" "$SECONDS"; }
fail() {
    printf '%s: FAILED: %s\n' "$name" "$*" >&2
    exit 1
}
# skip REASON: ends the script; as the skipped tests of `tests/all`.
skip() {
    printf 'SKIPPED %s: %s\n' "$name" "$1" | tee -a "${CLEARWELL_SKIPS:-/dev/null}" >&2
    [ "${CLEARWELL_NO_SKIPS:-}" != 1 ] || exit 1
    exit 0
}
# need_root: the script needs root on this machine.
need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
# need PROGRAM…: skips the script where one is missing.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}
# package NAME.SUFFIX: the one package of that name, such as `package clearwell.deb`.
package() {
    local suffix=${1##*.} stem=${1%.*} found
    found=$(find "$packages" -maxdepth 1 -name "$stem[-_][0-9]*.$suffix")
    [ -n "$found" ] || fail "$packages has no $1; run packaging/build"
    [ "$(wc -l <<<"$found")" = 1 ] || fail "$packages has several versions of $1; run packaging/build"
    printf '%s\n' "$found"
}
# expect WANTED FOUND WHAT: two texts are equal.
expect() { [ "$1" = "$2" ] || fail "$3: expected \"$1\", found \"$2\""; }
# eventually COMMAND…: succeeds within a minute.
eventually() {
    local tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "not within a minute: $*"
        sleep 0.1
    done
}

# fresh_root FOLDER: a new Debian (systemd, dbus, no recommended packages).
fresh_root() {
    if [ ! -s "$root_tar" ]; then
        need mmdebstrap
        mkdir -p "$(dirname "$root_tar")"
        mmdebstrap --quiet --format=tar --variant=minbase --include=systemd,systemd-sysv,dbus trixie "$root_tar.new" \
            || skip "a Debian root cannot be made here: see the error of mmdebstrap above"
        mv "$root_tar.new" "$root_tar"
    fi
    mkdir -p "$1"
    tar -C "$1" --numeric-owner --xattrs --xattrs-include='*' -xf "$root_tar" \
        || skip "a Debian root cannot be unpacked here: see the errors of tar above"
    rm -f "$1/etc/resolv.conf"
}
# boot FOLDER: boots the root with a separate network, which is loopback only: every port is free.
boot() {
    need systemd-nspawn nsenter pgrep
    # Some containers do not permit it. What fails after this is a fault.
    systemd-nspawn --quiet --directory="$1" --register=no --keep-unit --private-network --resolv-conf=off --timezone=off \
        --link-journal=no --pipe /bin/true </dev/null 2>"$scratch/refusal" \
        || skip "systemd-nspawn is not permitted here: $(tail -n 1 "$scratch/refusal")"
    SYSTEMD_LOG_LEVEL=warning systemd-nspawn --quiet --directory="$1" --register=no --keep-unit --boot \
        --private-network --machine=clearwell-test --resolv-conf=off --timezone=off --link-journal=no \
        </dev/null >"$scratch/console" 2>&1 &
    nspawn=$!
    eventually find_leader
    eventually test -S "/proc/$leader/root/run/systemd/private"
    # "degraded" too: a unit that cannot start in a container does not concern these tests.
    inside systemctl is-system-running --wait >"$scratch/state" || grep -q degraded "$scratch/state" \
        || fail "the root did not boot: $(cat "$scratch/state")"
}
find_leader() {
    kill -0 "$nspawn" 2>/dev/null || fail "systemd-nspawn ended"
    leader=$(pgrep -P "$nspawn" | head -n 1) && [ -n "$leader" ]
}
# inside COMMAND…: runs as root in the booted root.
inside() {
    nsenter --target "$leader" --all --wdns=/root \
        env -i HOME=/root TERM=dumb LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
# beside COMMAND…: runs a program of this machine in the network of the booted root, such as `beside curl URL`.
beside() { nsenter --target "$leader" --net "$@"; }
# power_off: shuts the booted root down.
power_off() {
    [ -n "$nspawn" ] || return 0
    kill -TERM "$nspawn" 2>/dev/null || true
    local tries=0
    while kill -0 "$nspawn" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || kill -KILL "$nspawn" 2>/dev/null || true
        sleep 0.1
    done
    wait "$nspawn" 2>/dev/null || true
    nspawn= leader=
}
