# Sourced by `root` and `sbom`: which Debian package a system file is from.

# fail TEXT…: ends the script with one error.
fail() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# libraries BINARY: the loader and the shared libraries of a program, as paths; none if it is linked statically.
libraries() {
    local listed
    listed=$(env -u LD_LIBRARY_PATH -u LD_PRELOAD ldd "$1" 2>&1) || {
        # ldd fails for a static program too, and says so.
        grep -Eq 'statically linked|not a dynamic executable' <<<"$listed" && "$1" --version >/dev/null && return
        fail "ldd cannot read $1: $listed"
    }
    grep -q 'not found' <<<"$listed" && fail "a library of $1 is not installed: $listed"
    awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' <<<"$listed" | sort -u
}

# package_of PATH: the package that installed a file. Debian moved files from /lib to /usr/lib: older releases have them in
# their lists at the one, newer ones at the other.
package_of() {
    local path owner
    for path in "$1" "/usr$1" "$(realpath "$1")"; do
        owner=$(dpkg-query --search "$path" 2>/dev/null | grep -v '^diversion ' | head -n 1) || continue
        echo "${owner%%:*}"
        return
    done
    fail "$1 is not from a Debian package: build on Debian, or link the program statically"
}

# licence_of PACKAGE: its licence as an SPDX expression. Most copyright files of Debian are prose; these were read.
licence_of() {
    case $1 in
    ca-certificates) echo "MPL-2.0 AND GPL-2.0-or-later" ;;
    libc6) echo "LGPL-2.1-or-later" ;;
    libgcc-s1) echo "GPL-3.0-or-later WITH GCC-exception-3.1" ;;
    *) fail "the licence of $1 is not known: read /usr/share/doc/$1/copyright and add it to packaging/image/debian.sh" ;;
    esac
}

# authorities: the CA certificates of ca-certificates, as paths. Not /etc/ssl/certs, which has the additions of this machine.
authorities() {
    dpkg-query --listfiles ca-certificates | grep '^/usr/share/ca-certificates/.*\.crt$' | sort ||
        fail "ca-certificates is not installed; on Debian: apt-get install ca-certificates"
}
