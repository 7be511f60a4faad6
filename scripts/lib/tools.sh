# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two packages that Debian 12 has too old. The distribution's own where that is new enough, else a newer Debian package
# unpacked privately below build/tools: nothing is installed into the system for it.

# QEMU 10.0's configure asks for it.
MESON_WANTED=1.5.0
# Older firmware waits 30 s for the empty CD drive of QEMU 10.0's default machine, in each of QEMU's own tests.
SEABIOS_WANTED=1.16.3
TOOLS_SEABIOS=$BUILD/tools/seabios
TOOLS_PYTHON=$BUILD/tools/python

# python_meson_version PYTHON: the version of meson that this python can import; nothing if none.
python_meson_version()
{
    [ -x "$1" ] || return 0
    "$1" -c 'import importlib.metadata as m; print(m.version("meson"))' 2>/dev/null || true
}

version_at_least() { [ -n "$1" ] && dpkg --compare-versions "$1" ge "$2"; }

# find_meson: sets PYTHON (for QEMU's configure) and MESON; false if none is new enough yet.
find_meson()
{
    if version_at_least "$(python_meson_version /usr/bin/python3)" "$MESON_WANTED" && [ -x /usr/bin/meson ]; then
        PYTHON=/usr/bin/python3
        MESON=/usr/bin/meson
    elif version_at_least "$(python_meson_version "$TOOLS_PYTHON/bin/python3")" "$MESON_WANTED"; then
        PYTHON=$TOOLS_PYTHON/bin/python3
        MESON=$TOOLS_PYTHON/bin/meson
    else
        return 1
    fi
}

# setup_meson: makes find_meson succeed, or dies.
setup_meson()
{
    local candidate
    ! find_meson || return 0
    candidate=$(apt-cache policy meson 2>/dev/null | awk '/Candidate:/ { print $2 }')
    if [ "$(id -u)" = 0 ] && [ "$candidate" != "(none)" ] && version_at_least "$candidate" "$MESON_WANTED"; then
        packages_install meson
        ! find_meson || return 0
    fi
    if ! newer_deb meson "$MESON_WANTED"; then
        die_log "fetching meson >= $MESON_WANTED" "$LOGS/fetch.log" \
            "check the network, or put a meson_*.deb of Debian 13 or bookworm-backports into a folder and set SOURCE_CACHE to it"
    fi
    note "unpacking $(basename "$DEB") below build/tools (the system's meson is older than $MESON_WANTED, or missing)"
    meson_unpack "$DEB"
    find_meson || die "meson of $DEB does not run with /usr/bin/python3; install meson >= $MESON_WANTED and run again"
}

# setup_seabios: firmware that is new enough, or a warning: the older one works, it is only slow.
setup_seabios()
{
    local new log=$LOGS/seabios.log
    ! version_at_least "$(dpkg-query -W -f '${Version}' seabios 2>/dev/null)" "$SEABIOS_WANTED" || return 0
    [ ! -e "$TOOLS_SEABIOS/bios-256k.bin" ] || return 0
    if ! newer_deb seabios "$SEABIOS_WANTED"; then
        warn "no seabios >= $SEABIOS_WANTED to be had: guests of QEMU's own tests each boot 30 s longer"
        return 0
    fi
    mkdir -p "$BUILD/tools"
    new=$(mktemp -d "$BUILD/tools/new.XXXXXX")
    cleanup_add "$new"
    dpkg-deb -x "$DEB" "$new" >"$log" 2>&1 || die_log "unpacking $DEB" "$log" "if the package is corrupt, replace it"
    rm -rf "$TOOLS_SEABIOS"
    mv "$new/usr/share/seabios" "$TOOLS_SEABIOS"
    rm -rf "$new"
}

# newer_deb NAME VERSION: sets DEB to a package file of at least that version, which suits any release (data or Python
# only); from SOURCE_CACHE, our cache, or the archive.
newer_deb()
{
    local name=$1 version=$2 suite codename
    for DEB in "${SOURCE_CACHE:-$CACHE}/${name}"_*.deb "$CACHE/$name"_*.deb; do
        [ -f "$DEB" ] || continue
        ! version_at_least "$(dpkg-deb -f "$DEB" Version 2>/dev/null)" "$version" || return 0
        warn "$DEB is no usable package of $name >= $version: passed over"
    done
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    need_disk_mib 200 "the package index"
    # The backports of this very release first, then the release that the pinned QEMU comes from.
    for suite in ${codename:+"$codename-backports"} trixie; do
        ! deb_fetch "$name" "$version" "$suite" || return 0
    done
    return 1
}

deb_fetch()
{
    local name=$1 version=$2 suite=$3 lines dir
    mapfile -t lines < <(suites_of deb "$suite")
    [ "${#lines[@]}" -gt 0 ] || { echo "no Debian archive in this machine's apt configuration" >"$LOGS/fetch.log"; return 1; }
    note "looking for $name >= $version in $suite"
    apt_private_setup "${lines[@]}" || { cp -f "$LOGS/apt-private.log" "$LOGS/fetch.log"; return 1; }
    dir=$(mktemp -d "$BUILD/cache.XXXXXX") || return 1
    cleanup_add "$dir"
    run_logged "fetching $name" "$LOGS/fetch.log" apt_private env -C "$dir" apt-get -q download "$name" || return 1
    DEB=$(find "$dir" -name "${name}_*.deb" | head -n 1)
    version_at_least "$(dpkg-deb -f "$DEB" Version)" "$version" || return 1
    mkdir -p "$CACHE" && mv -f "$DEB" "$CACHE/" && rm -rf "$dir" && DEB=$CACHE/$(basename "$DEB")
}

# A virtual environment that sees the system's packages and, before them, this meson; QEMU's configure nests its own in it.
meson_unpack()
{
    local new site
    mkdir -p "$BUILD/tools"
    new=$(mktemp -d "$BUILD/tools/new.XXXXXX")
    cleanup_add "$new"
    if ! { /usr/bin/python3 -m venv --system-site-packages --without-pip "$new/python" &&
           dpkg-deb -x "$1" "$new/deb"; } >"$LOGS/meson.log" 2>&1; then
        die_log "unpacking $1" "$LOGS/meson.log" "if the package is corrupt, replace it; python3-venv must be installed"
    fi
    site=$(echo "$new"/python/lib/python3*/site-packages)
    cp -a "$new"/deb/usr/lib/python3/dist-packages/. "$site/"
    printf '#!%s\nimport sys\nfrom mesonbuild.mesonmain import main\nsys.exit(main())\n' \
        "$TOOLS_PYTHON/bin/python3" >"$new/python/bin/meson"
    chmod +x "$new/python/bin/meson"
    rm -rf "$TOOLS_PYTHON"
    mv "$new/python" "$TOOLS_PYTHON"
    rm -rf "$new"
}
