# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages: what the build needs, what is missing, and how it gets installed.

# Each for a reason; Debian 12 and 13 have all of them. gnutls: QEMU's own TLS migration tests.
BUILD_PACKAGES=(
    gcc libc6-dev make patch perl git xz-utils pkg-config ninja-build ccache    # tools
    bison flex python3 python3-venv                                              # code generators, QEMU's configure
    libglib2.0-dev zlib1g-dev libfdt-dev libslirp-dev libzstd-dev libgnutls28-dev
    seabios qemu-system-data ipxe-qemu                                           # firmware: the archive has none
    iproute2                                                                     # a shaped link between namespaces
)
# libvirt with what the migration of QEMU guests needs, its tests and its manual pages; gnutls and tirpc are its RPC.
LIBVIRT_PACKAGES=(
    gcc libc6-dev make perl git xz-utils pkg-config ninja-build ccache python3 python3-venv
    python3-docutils xsltproc libxml2-utils gettext                              # manual pages, generators
    libglib2.0-dev libxml2-dev libgnutls28-dev libtirpc-dev libjson-c-dev
    libnl-3-dev libnl-route-3-dev libreadline-dev
    iproute2                                                                     # two hosts, a link between them
)
# Downloaded and unpacked by scripts/guest, not installed.
GUEST_PACKAGES=(linux-image-cloud-amd64 busybox-static stress-ng)
# The engine alone, its tests, and those of the scripts.
ENGINE_PACKAGES=(gcc libc6-dev binutils ninja-build pkg-config libglib2.0-dev libzstd-dev python3 python3-venv)

# packages_known PACKAGE...: has apt's lists read where they do not even know these packages, as in a new container.
# A refusal is no error: whoever needs the packages says so.
packages_known()
{
    local package
    for package in "$@"; do
        apt-cache show --no-all-versions "$package" >/dev/null 2>&1 && continue
        [ "$(id -u)" = 0 ] || return 0
        run_logged "apt-get update" "$LOGS/apt-update.log" apt-get -q update || true
        return 0
    done
}

# packages_missing PACKAGE...: those not installed, one a line.
packages_missing()
{
    local package
    in_path dpkg-query || die "this is not a Debian system (no dpkg-query): install by hand: $*"
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1)" = installed ] ||
            printf '%s\n' "$package"
    done
}

# packages_install PACKAGE...: installs what is missing; apt is left alone when nothing is.
packages_install()
{
    local missing log=$LOGS/apt.log
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] ||
        die "packages are missing and only root can install them: apt-get install --no-install-recommends ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    note "installing ${#missing[@]} Debian packages: ${missing[*]}"
    # Old lists name files that the mirror no longer has; a third-party source that fails is no reason to stop.
    run_logged "apt-get update" "$LOGS/apt-update.log" apt-get -q update ||
        warn "apt-get update did not fully succeed (log: $LOGS/apt-update.log); trying with the lists there are"
    run_logged "apt-get install" "$log" \
        apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install "${missing[@]}" ||
        die_log "installing packages" "$log" "check the network and apt's sources, then run again"
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -eq 0 ] || die "apt-get succeeded, but these are still not installed: ${missing[*]} (log: $log)"
}
