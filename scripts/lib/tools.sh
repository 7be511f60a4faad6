# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# meson: QEMU 10.0 wants 1.5 or newer. The distribution's own where that is new enough, else a newer Debian
# package unpacked privately below build/tools: nothing is installed into the system for it.

MESON_WANTED=1.5.0
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
    meson_deb
    note "unpacking $(basename "$MESON_DEB") below build/tools (the system's meson is older than $MESON_WANTED, or missing)"
    meson_unpack "$MESON_DEB"
    find_meson || die "meson of $MESON_DEB does not run with /usr/bin/python3; install meson >= $MESON_WANTED and run again"
}

# meson_deb: sets MESON_DEB; from SOURCE_CACHE, our cache, or the archive.
meson_deb()
{
    local deb suite codename
    for deb in "${SOURCE_CACHE:+$SOURCE_CACHE/}"meson_*.deb "$CACHE"/meson_*.deb; do
        [ -f "$deb" ] || continue
        if version_at_least "$(dpkg-deb -f "$deb" Version 2>/dev/null)" "$MESON_WANTED"; then
            MESON_DEB=$deb
            return 0
        fi
        warn "$deb is no usable package of meson >= $MESON_WANTED: passed over"
    done
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    need_disk_mib 200 "the package index"
    # The backports of this very release first; meson is plain Python, so that of Debian 13 serves as well.
    for suite in ${codename:+"$codename-backports"} trixie; do
        meson_fetch "$suite" && return 0
    done
    die_log "fetching meson >= $MESON_WANTED" "$LOGS/fetch.log" \
        "check the network, or put a meson_*.deb of Debian 13 or bookworm-backports into a folder and set SOURCE_CACHE to it"
}

meson_fetch()
{
    local suite=$1 lines dir
    mapfile -t lines < <(suites_of deb "$suite")
    [ "${#lines[@]}" -gt 0 ] || return 1
    note "looking for meson in $suite"
    apt_private_setup "${lines[@]}" || { cp -f "$LOGS/apt-private.log" "$LOGS/fetch.log"; return 1; }
    dir=$(mktemp -d "$BUILD/cache.XXXXXX")
    cleanup_add "$dir"
    run_logged "fetching meson" "$LOGS/fetch.log" apt_private env -C "$dir" apt-get -q download meson || return 1
    mkdir -p "$CACHE"
    mv -f "$dir"/meson_*.deb "$CACHE/"
    rm -rf "$dir"
    MESON_DEB=$(find "$CACHE" -name 'meson_*.deb' | sort -V | tail -n 1)
    version_at_least "$(dpkg-deb -f "$MESON_DEB" Version)" "$MESON_WANTED"
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
