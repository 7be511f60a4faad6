# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What every script here needs: where things are, one-line errors, clean-up, long commands with a log.
# Source it first: . "$(dirname "$(readlink -f "$0")")/lib/common.sh"

set -euo pipefail
# Messages of git, apt and tar are matched in places; figures in logs must not depend on the locale.
export LC_ALL=C.UTF-8

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BUILD=$REPO/build
LOGS=$BUILD/logs
SELF=scripts/$(basename "$0")

note() { printf '%s: %s\n' "$SELF" "$*"; }
warn() { printf '%s: warning: %s\n' "$SELF" "$*" >&2; }
# In a subshell, $(...) for one, the status tells the script that all has been said.
die()  { printf '%s: error: %s\n' "$SELF" "$*" >&2; exit "$SAID"; }
SAID=91

# The comment block at the top of a script is its help: from the "# Usage" line to the first line that is no comment.
usage() { awk '/^# Usage/ { on = 1 } on { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# --- clean-up -------------------------------------------------------------------------------------------------
CLEANUP_PATHS=()
CLEANUP_CHILD=
cleanup_add() { CLEANUP_PATHS+=("$1"); }

cleanup_now()
{
    local path
    if [ -n "$CLEANUP_CHILD" ]; then
        # A job of run_logged leads its own process group: the whole of it ends, and nothing else.
        kill -TERM -- "-$CLEANUP_CHILD" 2>/dev/null || true
        wait "$CLEANUP_CHILD" 2>/dev/null || true
        CLEANUP_CHILD=
    fi
    for path in ${CLEANUP_PATHS[@]+"${CLEANUP_PATHS[@]}"}; do
        rm -rf -- "$path"
    done
    CLEANUP_PATHS=()
}
trap 'STATUS=$?; cleanup_now; [ "$STATUS" != "$SAID" ] || STATUS=1; exit "$STATUS"' EXIT
# Never a silent end: whatever no error message was written for still says where it was.
set -E
trap '[ "$?" = "$SAID" ] || [ "$BASH_SUBSHELL" -gt 0 ] || printf "%s: error: unexpected failure of: %s (%s:%s); report it, or run again with bash -x\n" \
    "$SELF" "$BASH_COMMAND" "${BASH_SOURCE[0]##*/}" "$LINENO" >&2' ERR
trap 'printf "\n%s: interrupted\n" "$SELF" >&2; exit 130' INT
trap 'exit 143' TERM HUP

# --- long commands --------------------------------------------------------------------------------------------
# run_logged WHAT LOG COMMAND...: output to LOG; on a terminal the last line is shown live, elsewhere once a minute.
run_logged()
{
    local what=$1 log=$2 rc=0 started=$SECONDS told=$SECONDS pause=0.05
    shift 2
    mkdir -p "$(dirname "$log")" 2>/dev/null && : 2>/dev/null >"$log" ||
        die "cannot write the log $log: free disk space or make it writable, then run again"
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    CLEANUP_CHILD=$!
    set +m
    while kill -0 "$CLEANUP_CHILD" 2>/dev/null; do
        sleep "$pause"
        [ "$((SECONDS - started))" -lt 1 ] || pause=0.5
        if [ -t 1 ]; then
            printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$what: $(tail -n 1 "$log" | tr -cd '[:print:]')"
        elif [ "$((SECONDS - told))" -ge 60 ]; then
            told=$SECONDS
            printf '%s: %s, %d s: %.100s\n' "$SELF" "$what" "$((SECONDS - started))" "$(tail -n 1 "$log" | tr -cd '[:print:]')"
        fi
    done
    [ ! -t 1 ] || printf '\r\033[K'
    wait "$CLEANUP_CHILD" || rc=$?
    CLEANUP_CHILD=
    return "$rc"
}

# die_log WHAT LOG ADVICE: the lines of LOG that tell why, then one line that says what failed and what to do.
die_log()
{
    local what=$1 log=$2 advice=$3 free_mib
    # A full disk has no room for the log that would tell, so the disk is asked as well.
    free_mib=$(stat -f -c '%a %S' "$BUILD" 2>/dev/null | awk '{ printf "%d", $1 * $2 / 1048576 }')
    if grep -q 'No space left on device' "$log" 2>/dev/null || [ "${free_mib:-99}" -lt 16 ]; then
        die "$what failed: no space left on the disk of ${BUILD#"$REPO"/}/; free some and run again (log: $log)"
    fi
    { grep -E '(error|ERROR|fatal|FAILED|^E)(:| )' "$log" || tail -n 5 "$log"; } 2>/dev/null |
        tail -n 5 | cut -c 1-300 | sed 's/^/  /' >&2
    die "$what failed; $advice (log: $log)"
}

# --- small helpers --------------------------------------------------------------------------------------------
need_arg() { [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value; see --help"; }
in_path() { command -v "$1" >/dev/null 2>&1; }

# need_disk_mib MIB WHAT: better said before the work than found out in the middle of it.
need_disk_mib()
{
    local free_mib
    mkdir -p "$BUILD" 2>/dev/null || die "cannot create $BUILD: make its parent writable, or free disk space"
    free_mib=$(df -Pm "$BUILD" | awk 'NR == 2 { print $4 }')
    [ "$free_mib" -ge "$1" ] ||
        die "no disk space for $2: $1 MiB needed below $BUILD, $free_mib MiB free; free some and run again"
}

# take_lock NAME: one at a time for each NAME; waits, and says so. The lock goes with the process.
take_lock()
{
    local fd
    mkdir -p "$BUILD" 2>/dev/null || die "cannot create $BUILD: make its parent writable, or free disk space"
    exec {fd}>"$BUILD/.lock-$1" || die "cannot write $BUILD/.lock-$1: make $BUILD writable"
    if ! flock -n "$fd"; then
        note "waiting for another $1 in the same tree to end"
        flock "$fd"
    fi
}

# upstream_find PROJECT KEY: a value of patches/PROJECT/UPSTREAM; nothing where it has no such line.
upstream_find()
{
    local file=$REPO/patches/$1/UPSTREAM
    [ -r "$file" ] || die "no $file: the pinned base of $1 is missing from this checkout"
    sed -n "s/^$2=//p" "$file"
}

# upstream_get PROJECT KEY: the same, for what must be there.
upstream_get()
{
    local value
    value=$(upstream_find "$1" "$2")
    [ -n "$value" ] || die "$REPO/patches/$1/UPSTREAM has no line $2=..."
    printf '%s\n' "$value"
}

# series_patches PROJECT: the listed patches, in order, as paths; none at all is fine.
series_patches()
{
    local dir=$REPO/patches/$1 line
    [ -r "$dir/series" ] || die "no $dir/series: it may be empty but must be there"
    while read -r line; do
        case $line in ''|'#'*) ;; *) printf '%s\n' "$dir/$line" ;; esac
    done <"$dir/series"
}

sha256_of() { sha256sum -- "$1" | cut -d ' ' -f 1; }
