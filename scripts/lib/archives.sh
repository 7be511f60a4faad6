# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Source archives and tools from the Debian archive that this machine already uses: found through its apt
# configuration, fetched with an apt state of our own under build/apt. The system's sources and lists are only read.

CACHE=$BUILD/cache
APT_DIR=$BUILD/apt

# debian_uris: the archive URIs of the machine's apt configuration, main archives before security ones.
debian_uris()
{
    in_path apt-get || return 0
    # What apt has lists of tells its origin. A new container has no lists: there apt only knows what it would fetch,
    # and a last folder of the usual name has to do.
    {
        # shellcheck disable=SC2016  # apt's own placeholders
        apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)' || true
        apt-get update --print-uris | sed -n "s|^'\\(.*\\)/dists/.*'.*|unknown\\|\\1|p" || true
    } 2>/dev/null | awk -F '|' '
        { uri = $2; sub(/\/*$/, "", uri); base = uri; sub(/.*\//, "", base) }
        seen[uri]++ { next }
        $1 != "Debian" && base != "debian" && base != "debian-security" { delete seen[uri]; next }
        uri ~ /security/ { security = security uri "\n"; next }
        { print uri }
        END { printf "%s", security }'
}

# apt_private ARGS...: apt-get with our own lists, cache and sources; proxies and the like are the machine's.
apt_private() { APT_CONFIG=$APT_DIR/apt.conf "$@"; }

# apt_private_setup LINE...: writes the private configuration with these sources and fetches their lists.
apt_private_setup()
{
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$APT_DIR"/{empty,state/lists/partial,cache/archives/partial} ||
        die "cannot create $APT_DIR: free disk space or make it writable, then run again"
    printf '%s\n' "$@" >"$APT_DIR/sources.list"
    : >"$APT_DIR/state/status"
    {
        apt-config dump Acquire
        apt-config dump Dir::Etc::trustedparts
        cat <<CONF
Dir::Etc::main "$APT_DIR/empty/none";
Dir::Etc::parts "$APT_DIR/empty";
Dir::Etc::sourcelist "$APT_DIR/sources.list";
Dir::Etc::sourceparts "$APT_DIR/empty";
Dir::Etc::preferences "$APT_DIR/empty/none";
Dir::Etc::preferencesparts "$APT_DIR/empty";
Dir::State "$APT_DIR/state";
Dir::State::status "$APT_DIR/state/status";
Dir::Cache "$APT_DIR/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "2";
CONF
        [ ! -r "$keyring" ] || printf 'Dir::Etc::trusted "%s";\n' "$keyring"
    } >"$APT_DIR/apt.conf"
    run_logged "reading the archive's index" "$LOGS/apt-private.log" apt_private apt-get -q update
}

# suites_of KIND SUITE...: source lines of KIND (deb or deb-src) for the suites, each at the archive that carries it.
suites_of()
{
    local kind=$1 uri suite
    shift
    for uri in $(debian_uris); do
        for suite in "$@"; do
            case $uri:$suite in
                *security*:*-security) printf '%s %s %s main\n' "$kind" "$uri" "$suite" ;;
                *security*:* | *:*-security) ;;
                *) printf '%s %s %s main\n' "$kind" "$uri" "$suite" ;;
            esac
        done
    done
}

# source_index PROJECT: lines "VERSION FILE SHA256" of every version of the project's source package in its suites.
source_index()
{
    local name=$1
    apt_private apt-cache showsrc --only-source "$name" 2>/dev/null | awk '
        /^Version:/ { version = $2 }
        /^[^ ]/ { sums = /^Checksums-Sha256:/ }
        sums && /^ / { print version, $3, $1 }' | sort -u
}

# apt_source_download SOURCE=VERSION: the archives of that version into $CACHE, verified by apt against the index.
apt_source_download()
{
    local dir
    dir=$(mktemp -d "$BUILD/cache.XXXXXX") && cleanup_add "$dir"
    run_logged "fetching $1" "$LOGS/fetch.log" \
        apt_private env -C "$dir" apt-get -q --download-only --only-source source "$1" || return 1
    mkdir -p "$CACHE"
    find "$dir" -type f -name '*.tar.*' ! -name '*.asc' -exec mv -f -t "$CACHE" {} +
    rm -rf "$dir"
}

# apt_file_download SOURCE=VERSION FILE: one archive of that version into $CACHE, verified against the index; its .dsc
# and the other archives may be missing from the mirror.
apt_file_download()
{
    local dir file=$2 uri sum
    read -r uri sum < <(apt_private apt-get -q --print-uris --download-only --only-source source "$1" 2>"$LOGS/fetch.log" |
        sed -n "s|^'\\(.*/$file\\)' [^ ]* [0-9]* \\(SHA256:[0-9a-f]*\\).*|\\1 \\2|p") || return 1
    dir=$(mktemp -d "$BUILD/cache.XXXXXX") && cleanup_add "$dir"
    run_logged "fetching $file" "$LOGS/fetch.log" \
        apt_private "$(apt_helper)" download-file "$uri" "$dir/$file" "$sum" || return 1
    mkdir -p "$CACHE"
    mv -f "$dir/$file" "$CACHE/"
    rm -rf "$dir"
}

# apt-helper is no command of its own: it lies beside apt's methods.
apt_helper()
{
    local dir
    dir=$(apt-config shell dir Dir::Bin::methods/d | sed "s/^dir='\\(.*\\)'$/\\1/")
    printf '%s\n' "${dir%/methods/}/apt-helper"
}

# apt_fetch SOURCE=VERSION ORIG [DEBIAN]: what the project takes of it.
apt_fetch()
{
    if [ -n "${3:-}" ]; then apt_source_download "$1"; else apt_file_download "$1" "$2"; fi
}

# cached FILE SHA256: sets ARCHIVE when the file is in SOURCE_CACHE or in our own cache, and sound.
cached()
{
    local file=$1 sha256=$2
    ARCHIVE=
    if [ -n "${SOURCE_CACHE:-}" ]; then
        [ -d "$SOURCE_CACHE" ] || die "SOURCE_CACHE=$SOURCE_CACHE is no directory: correct it, or unset it to download"
        if [ -e "$SOURCE_CACHE/$file" ]; then
            [ "$(sha256_of "$SOURCE_CACHE/$file")" = "$sha256" ] ||
                die "$SOURCE_CACHE/$file is corrupt (SHA-256 is not the pinned one): replace it, or unset SOURCE_CACHE to download"
            ARCHIVE=$SOURCE_CACHE/$file
            return 0
        fi
    fi
    [ -e "$CACHE/$file" ] || return 1
    if [ "$(sha256_of "$CACHE/$file")" != "$sha256" ]; then
        warn "${CACHE#"$REPO"/}/$file is corrupt (SHA-256 is not the pinned one): removed, fetching it again"
        rm -f "$CACHE/$file"
        return 1
    fi
    ARCHIVE=$CACHE/$file
}

# get_archives PROJECT [newest]: sets ORIG, DEBIAN and SOURCE_VERSION; the pinned version unless it cannot be had.
# A project whose UPSTREAM has no line debian=... is the orig archive alone; DEBIAN is empty then.
get_archives()
{
    local project=$1 choice=${2:-pinned} version upstream source orig debian files lines newer
    version=$(upstream_get "$project" debian_version)
    upstream=$(upstream_get "$project" version)
    source=$(upstream_get "$project" debian_source)
    orig=$(upstream_get "$project" orig)
    debian=$(upstream_find "$project" debian)
    files=$orig${debian:+ and $debian}
    if [ "$choice" = pinned ] && get_pair "$project" "$orig" "$debian"; then
        SOURCE_VERSION=$version
        return 0
    fi

    mapfile -t lines < <(suites_of deb-src $(upstream_get "$project" debian_suites))
    [ "${#lines[@]}" -gt 0 ] ||
        die "no Debian archive in this machine's apt configuration: put $files in a folder and set SOURCE_CACHE to it"
    need_disk_mib 600 "the source archives"
    note "looking for $source $version in the Debian source index"
    # A suite that an archive lacks makes apt complain, and is no harm as long as another one has the version.
    apt_private_setup "${lines[@]}" || true
    newer=$(source_index "$source" | newest_of_series "$upstream") || true
    [ -n "$newer" ] || die_log "reading the Debian source index" "$LOGS/apt-private.log" \
        "check the network, or put $files in a folder and set SOURCE_CACHE to it"

    if [ "$choice" = pinned ]; then
        # Debian's own revision matters only where its patches do.
        [ -n "$debian" ] || ! source_index "$source" | grep -qF "$newer $orig " || version=$newer
        if source_index "$source" | grep -qF "$version " && apt_fetch "$source=$version" "$orig" "$debian"; then
            get_pair "$project" "$orig" "$debian" ||
                die "the Debian archive's $source $version is not the pinned one (SHA-256 differs): check patches/$project/UPSTREAM"
            SOURCE_VERSION=$(upstream_get "$project" debian_version)
            [ "$newer" = "$version" ] || note "Debian has a newer $newer; the pinned $version is used (see --newest)"
            return 0
        fi
        [ "$newer" != "$version" ] || die_log "fetching $source $version" "$LOGS/fetch.log" \
            "check the network and the disk, or put $files in a folder and set SOURCE_CACHE to it"
        warn "$source $version cannot be had from the archive any more; using the newer $newer"
    fi
    orig=$(source_index "$source" | awk -v v="$newer" '$1 == v && $2 ~ /\.orig\.tar\.[a-z0-9]+$/ { print $2 }')
    apt_fetch "$source=$newer" "$orig" "$debian" || die_log "fetching $source $newer" "$LOGS/fetch.log" \
        "put $files in a folder and set SOURCE_CACHE to it"
    ORIG=$CACHE/$orig
    DEBIAN=
    if [ -n "$debian" ]; then
        DEBIAN=$CACHE/$(source_index "$source" | awk -v v="$newer" '$1 == v && $2 ~ /\.debian\.tar\.[a-z0-9]+$/ { print $2 }')
    fi
    SOURCE_VERSION=$newer
}

# get_pair PROJECT ORIG DEBIAN: sets ORIG and DEBIAN when the pinned files are at hand; DEBIAN may be empty.
get_pair()
{
    cached "$2" "$(upstream_get "$1" orig_sha256)" || return 1
    ORIG=$ARCHIVE
    DEBIAN=
    [ -n "$3" ] || return 0
    cached "$3" "$(upstream_get "$1" debian_sha256)" || return 1
    DEBIAN=$ARCHIVE
}

# newest_of_series UPSTREAM: of "VERSION FILE SHA256" lines the newest version with the same major.minor, not older.
newest_of_series()
{
    local series=${1%.*} version best=
    while read -r version _; do
        case ${version#*:} in "$series".*) ;; *) continue ;; esac
        if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
    done
    [ -z "$best" ] || ! dpkg --compare-versions "${best#*:}" ge "$1" || printf '%s\n' "$best"
}
